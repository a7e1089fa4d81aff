"""Tests of importance-weighted objectives: the value of the bound, and the gradient for each option."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from support.models import compiled, constructed_model, sample_of
from support.objective import terms_of
from support.slow import first_fast

from vae_jax.evaluation.estimators import combine, iwae_bound
from vae_jax.models import make_model
from vae_jax.models.distributions import normal_log_prob
from vae_jax.objectives.weights import training_bound
from vae_jax.types import Model, Posterior, Spec

SHAPE = (3, 2, 1)


@pytest.fixture(scope="module")
def trained(make_config):
    """Return a VAE with two latent dimensions and parameters far from their initial values."""
    model = compiled(make_model(make_config(latent_dim=2, hidden_dims=(5,), activation="tanh"), Spec(SHAPE)))
    params = jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4)))
    return model, moved(params)


@jax.jit
def moved(params):
    return jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(4), leaf.shape), params)


@pytest.fixture
def x():
    return jax.random.bernoulli(jax.random.key(8), 0.5, (4, *SHAPE)).astype(jnp.float32)


def gradient_of_bound(model: Model, x, **options):
    """Make a function (params, key) -> the gradient of the mean bound."""

    def mean_bound(params, key):
        return training_bound(model, params, key, x, train=False, **options).bound.mean()

    return jax.jit(jax.grad(mean_bound))


def test_the_combined_bound_includes_the_published_bounds_as_special_cases():
    values = jnp.asarray(np.random.default_rng(0).normal(0, 2, (6, 5)).astype(np.float32))
    weights = np.exp(np.asarray(values, np.float64))
    np.testing.assert_allclose(combine(values, 1, 0.0), np.log(weights.mean(axis=0)), rtol=1e-5)
    np.testing.assert_allclose(combine(values, 1, 1.0), values.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(combine(values, 6, 0.0), values.mean(axis=0), rtol=1e-5)
    halves = np.log(weights.reshape(2, 3, 5).mean(axis=1)).mean(axis=0)
    np.testing.assert_allclose(combine(values, 2, 0.0), halves, rtol=1e-5)
    mixed = 0.3 * values.mean(axis=0) + 0.7 * np.log(weights.mean(axis=0))
    np.testing.assert_allclose(combine(values, 1, 0.3), mixed, rtol=1e-5)


@pytest.mark.parametrize("gradient", first_fast(["dreg", "stl", "plain"]))
def test_the_value_of_the_bound_does_not_depend_on_the_gradient_option(trained, x, gradient):
    model, params = trained
    key = jax.random.key(1)
    plain = training_bound(model, params, key, x, 5)
    other = training_bound(model, params, key, x, 5, gradient=gradient)
    np.testing.assert_array_equal(plain.bound, other.bound)
    one = training_bound(model, params, key, x, 1, gradient=gradient)
    np.testing.assert_allclose(one.bound, -one.reconstruction - one.kl, rtol=1e-6)
    all_elbo = training_bound(model, params, key, x, 5, elbo_weight=1.0, gradient=gradient)
    np.testing.assert_allclose(all_elbo.bound, -all_elbo.reconstruction - all_elbo.kl, rtol=1e-6)


def projections(model, params, x, keys, samples, **options):
    """Return the gradients of encoder and decoder along 8 random directions, for each key: two arrays [n, 8]."""
    gradients = jax.jit(jax.vmap(gradient_of_bound(model, x, num_samples=samples, **options), in_axes=(None, 0)))(
        params, keys
    )
    parts = []
    for name in ("encoder", "decoder"):
        flat = jax.vmap(lambda tree: ravel_pytree(tree)[0])(gradients[name])
        directions = jax.random.normal(jax.random.key(5), (flat.shape[1], 8)) / math.sqrt(flat.shape[1])
        parts.append(np.asarray(flat @ directions, np.float64))
    return parts


def differs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the paired mean differences, in standard errors."""
    pairs = one - other
    return np.abs(pairs.mean(axis=0)) / (pairs.std(axis=0) / math.sqrt(len(pairs)) + 1e-12)


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (5, {}),
        pytest.param(6, {"num_groups": 2}, marks=pytest.mark.slow),
        pytest.param(5, {"elbo_weight": 0.4}, marks=pytest.mark.slow),
        pytest.param(3, {"elbo_weight": 1.0}, marks=pytest.mark.slow),
        pytest.param(1, {}, marks=pytest.mark.slow),
    ],
)
def test_dreg_equals_the_plain_gradient_on_average(trained, x, samples, options):
    model, params = trained
    keys = jax.random.split(jax.random.key(6), 6000)
    plain = projections(model, params, x, keys, samples, **options)
    dreg = projections(model, params, x, keys, samples, gradient="dreg", **options)
    assert (differs(plain[0], dreg[0]) < 4).all()
    assert not np.allclose(plain[0], dreg[0])
    np.testing.assert_allclose(plain[1], dreg[1], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_dreg_equals_the_plain_gradient_if_the_posterior_has_layers(make_config, x):
    """q(upper|lower) has its own parameters in params; `log_posterior` must not differentiate them either."""
    sizes = {"latent_dim": 2, "two_layer.upper_latent_dim": 1, "hidden_dims": (5,), "two_layer.upper_hidden_dims": (4,)}
    model = make_model(make_config(model="two_layer", activation="tanh", **sizes), Spec(SHAPE))
    params = jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4)))
    params = moved(params)
    keys = jax.random.split(jax.random.key(6), 6000)
    plain, dreg = (
        jax.jit(jax.vmap(gradient_of_bound(model, x, num_samples=5, gradient=gradient), in_axes=(None, 0)))(
            params, keys
        )
        for gradient in ("plain", "dreg")
    )
    for part in (["encoder"], ["layers", "encoder"]):
        one, other = (functools.reduce(lambda tree, name: tree[name], part, found) for found in (plain, dreg))
        one, other = (
            np.asarray(jax.vmap(lambda tree: ravel_pytree(tree)[0])(tree), np.float64) for tree in (one, other)
        )
        assert (differs(one, other) < 4.5).all()  # of about 50 numbers
        assert not np.allclose(one, other)


@pytest.mark.slow
def test_dropout_is_on_in_training_only(make_config, x):
    """Encoder and decoder have dropout keys in training; evaluation, which chooses the best checkpoint, has none."""

    def losses(train: bool, **rates) -> np.ndarray:
        config = make_config(
            objective="importance", importance__num_samples=3, latent_dim=2, hidden_dims=(64,), **rates
        )
        model = make_model(config, Spec(SHAPE))
        params = jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4)))
        return np.asarray(terms_of(config, model, params, jax.random.key(1), x, train=train)["loss"])

    np.testing.assert_array_equal(losses(train=False, dropout=0.5), losses(train=False))
    np.testing.assert_array_equal(losses(train=True), losses(train=False))
    assert (losses(train=True, dropout=0.5) != losses(train=True)).all()


@pytest.mark.parametrize("part", first_fast(["encode", "decode"]))
def test_both_networks_drop_units_in_training(make_config, x, part):
    config = make_config(latent_dim=2, hidden_dims=(64,), dropout=0.5)
    model = compiled(make_model(config, Spec(SHAPE)))
    params, key = jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4))), jax.random.key(1)
    whole = training_bound(model, params, key, x, 3, train=False).bound
    plain = getattr(model, part)
    alone = model._replace(**{part: lambda params, given, key=None: plain(params, given)})
    assert (training_bound(alone, params, key, x, 3).bound != whole).all()


@pytest.mark.slow
def test_sticking_the_landing_is_unbiased_for_one_sample_and_biased_for_five(trained, x):
    model, params = trained
    keys = jax.random.split(jax.random.key(6), 6000)
    for samples, biased in ((1, False), (5, True)):
        plain = projections(model, params, x, keys, samples)
        stl = projections(model, params, x, keys, samples, gradient="stl")
        assert (differs(plain[0], stl[0]).max() > 6) == biased
        np.testing.assert_allclose(plain[1], stl[1], rtol=1e-3, atol=1e-5)


def exact() -> Model:
    """Make the model x = 1.5 z + noise of 0.7 on one pixel; q is the exact posterior at params 0."""
    precision = 1 + 1.5**2 / 0.7**2

    def encode(params, x, key=None):
        mean = x.reshape(len(x), 1) * 1.5 / 0.7**2 / precision + params["encoder"]["mean"]
        return Posterior(mean, params["encoder"]["logvar"] - math.log(precision) + jnp.zeros_like(mean))

    return constructed_model(
        encode=encode,
        decode=lambda params, z, key=None: (1.5 * z)[:, None, None, :],
        log_likelihood=lambda params, x, outputs: normal_log_prob(x, outputs, jnp.full_like(x, 2 * math.log(0.7))).sum(
            axis=(1, 2, 3)
        ),
        pixel_mean=lambda params, outputs: outputs,
    )


def test_at_the_exact_posterior_the_encoders_gradient_vanishes_sample_by_sample():
    model, x = exact(), jnp.linspace(0, 1, 4).reshape(4, 1, 1, 1)
    params = {"encoder": {"mean": jnp.zeros(()), "logvar": jnp.zeros(())}}
    keys = jax.random.split(jax.random.key(2), 20)

    def largest(gradient: str) -> float:
        gradients = jax.vmap(gradient_of_bound(model, x, num_samples=5, gradient=gradient), in_axes=(None, 0))(
            params, keys
        )
        return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradients))

    assert largest("stl") < 1e-5
    assert largest("dreg") < 1e-5
    assert largest("plain") > 1e-2


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"num_samples": 4}, marks=pytest.mark.slow),
        {"num_samples": 4, "num_groups": 2, "elbo_weight": 0.3},
    ],
)
def test_the_plain_gradient_agrees_with_finite_differences_in_float64(trained, x, options):
    with jax.enable_x64(True):
        model, params = trained
        flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params))
        flat, x, key = np.asarray(flat), jnp.asarray(x, jnp.float64), jax.random.key(1)

        @jax.jit
        def value(flat):
            return training_bound(model, unravel(flat), key, x, train=False, **options).bound.mean()

        if jax.eval_shape(value, flat).dtype != np.float64:
            pytest.fail("not computed in float64")
        direction = np.random.default_rng(0).normal(size=(3, len(flat)))
        for along in direction:
            along = along / np.linalg.norm(along)
            step = 1e-5
            finite = (value(flat + step * along) - value(flat - step * along)) / (2 * step)
            np.testing.assert_allclose(jax.grad(value)(flat) @ along, finite, rtol=1e-6)


@pytest.mark.slow
def test_the_objective_reports_the_bound_and_in_evaluation_also_the_elbo(make_config, x):
    config = make_config(objective="importance", importance__num_samples=7, latent_dim=2)
    model = make_model(config, Spec(SHAPE))
    params = jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4)))
    evaluate = functools.partial(terms_of, config, model, params)
    keys = jax.random.split(jax.random.key(1), 3000)
    many = jax.jit(jax.vmap(lambda key: evaluate(key, x, train=False)))(keys)
    bound = jax.jit(jax.vmap(lambda key: iwae_bound(model, params, key, x, 7)))(keys)
    error = np.hypot(many["loss"].std(axis=0), bound.std(axis=0)) / math.sqrt(3000)
    assert (np.abs(many["loss"].mean(axis=0) + bound.mean(axis=0)) < 4 * error).all()
    assert (-many["loss"].mean(axis=0) > many["elbo"].mean(axis=0)).all()
    trained = evaluate(keys[0], x)
    assert set(trained) == {"loss", "reconstruction", "kl"}
    assert (trained["loss"] < trained["reconstruction"] + trained["kl"]).all()
