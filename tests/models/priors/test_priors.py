"""Tests of learned priors against scipy, quadrature and identities; test_contract.py tests what all models share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.models import compiled
from support.slow import first_fast

from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_split_bound
from vae_jax.models import init_shapes, make_model, prepared, require_prior, require_rate
from vae_jax.models.priors.gaussians import Components, mixture_log_prob, mixture_sample
from vae_jax.objectives import make_objective
from vae_jax.types import Sample, Spec

SHAPE = (3, 2, 1)
SPEC = Spec(SHAPE, num_train=12)


@pytest.fixture
def sample():
    images = np.random.default_rng(0).integers(0, 256, (12, *SHAPE)).astype(np.uint8)
    return Sample(jnp.asarray(images.mean(axis=0) / 255, jnp.float32), images)


def components(number, size, least_logvar, seed=0):
    rng = np.random.default_rng(seed)
    mean, logvar = rng.normal(size=(number, size)), rng.uniform(least_logvar, 0, (number, size))
    weights = rng.dirichlet(np.ones(number))
    return Components(*(jnp.asarray(a, jnp.float32) for a in (mean, logvar, np.log(weights))))


def reference(made, z):
    """Return the log-density of a mixture in float64 by scipy."""
    mean, logvar, log_weights = (np.asarray(a, np.float64) for a in made)
    each = scipy.stats.norm.logpdf(np.asarray(z, np.float64)[:, None], mean, np.exp(logvar / 2)).sum(axis=2)
    return scipy.special.logsumexp(each + log_weights, axis=1)


def model_with(make_config, sample, prior, number, latent_dim=1, **changes):
    """Return (model, params, log_prob, rate), with parameters away from their initial values and wide posteriors."""
    own = {"prior": prior, f"{prior}.components": number}
    config = make_config(latent_dim=latent_dim, hidden_dims=(5,), activation="tanh", **own, **changes)
    model = compiled(make_model(config, SPEC))
    params = jax.jit(model.init)(jax.random.key(1), sample)
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=leaf.shape).astype(np.float32), params)
    return model, params, *require_rate(model)


@pytest.mark.parametrize("least_logvar", [-1.0, -6.0, -9.0])
def test_a_mixtures_density_is_within_a_thousandth_of_a_nat_of_float64(least_logvar):
    made = components(200, 40, least_logvar)
    z = jnp.concatenate(
        [mixture_sample(made, jax.random.key(0), 200), 3 * jax.random.normal(jax.random.key(1), (50, 40))]
    )
    found, truth = np.asarray(jax.jit(mixture_log_prob)(made, z)), np.asarray(reference(made, z))
    np.testing.assert_allclose(found[:200], truth[:200], atol=1e-3)
    np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-3)


def test_a_mixtures_density_integrates_to_one_and_is_that_of_its_draws():
    made = components(5, 2, -2.0)
    axis = np.linspace(-8, 8, 321, dtype=np.float32)
    plane = jnp.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    density = np.exp(np.asarray(mixture_log_prob(made, plane), np.float64)).reshape(321, 321)
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-4)
    draws = np.asarray(mixture_sample(made, jax.random.key(0), 20_000))
    weights = np.exp(np.asarray(made.log_weights, np.float64))
    spread = np.exp(np.asarray(made.logvar[:, 0]) / 2)

    def cdf(x):
        return (weights * scipy.stats.norm.cdf(np.asarray(x)[:, None], np.asarray(made.mean[:, 0]), spread)).sum(axis=1)

    assert scipy.stats.kstest(draws[:, 0], cdf).pvalue > 0.01
    cold = np.asarray(mixture_sample(made, jax.random.key(0), 20_000, 0.01))
    distances = np.abs(cold[:, None] - np.asarray(made.mean)[None]).max(axis=2).min(axis=1)
    assert distances.max() < 0.1, "a temperature near 0 leaves the components' means"


def test_gradients_of_a_mixtures_density_agree_with_the_plain_formula():
    made, z = components(7, 3, -3.0), jax.random.normal(jax.random.key(3), (6, 3))

    def plain(made, z):
        difference = jnp.square(z[:, None] - made.mean[None]) * jnp.exp(-made.logvar)[None]
        each = -0.5 * (difference + made.logvar[None] + jnp.log(2 * jnp.pi)).sum(axis=2)
        return jax.nn.logsumexp(each + made.log_weights[None], axis=1).sum()

    found = jax.jit(jax.grad(lambda *given: mixture_log_prob(*given).sum(), (0, 1)))(made, z)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        found,
        jax.jit(jax.grad(plain, (0, 1)))(made, z),
    )


def test_with_the_data_as_pseudo_inputs_vamp_is_the_aggregate_posterior(make_config, sample):
    model, params, log_prob, rate = model_with(make_config, sample, "vamp", 12, latent_dim=2)
    x = jax.nn.sigmoid(params["prior"]["pixel_logits"])
    posterior = model.encode(params, x)
    z = model.reparameterize(params, jax.random.key(5), posterior).z
    log_posterior: Any = rate.log_posterior
    every = jax.vmap(lambda mean, logvar: log_posterior(params, type(posterior)(mean[None], logvar[None]), z))
    densities = np.asarray(every(*posterior), np.float64)
    np.testing.assert_allclose(log_prob(params, z), scipy.special.logsumexp(densities, axis=0) - np.log(12), atol=1e-4)


def test_pseudo_inputs_start_as_different_training_images(make_config, sample):
    config = make_config(prior="vamp", vamp__components=12)
    pixels = jax.nn.sigmoid(jax.jit(make_model(config, SPEC).init)(jax.random.key(0), sample)["prior"]["pixel_logits"])
    found = np.sort(np.asarray((pixels - 0.05) / 0.9 * 255).reshape(12, -1), axis=0)
    np.testing.assert_allclose(found, np.sort(sample.images.reshape(12, -1), axis=0), atol=1e-2)


@pytest.mark.slow
def test_one_component_is_a_gaussian_and_many_start_near_the_standard_normal(make_config, sample):
    _, params, log_prob, _ = model_with(make_config, sample, "mixture", 1, latent_dim=3)
    own, z = params["prior"], jax.random.normal(jax.random.key(0), (6, 3))
    truth = scipy.stats.norm.logpdf(z, own["mean"], np.exp(own["logvar"] / 2)).sum(axis=1)
    np.testing.assert_allclose(log_prob(params, z), truth, atol=1e-4)
    config = make_config(prior="mixture", mixture__components=500, latent_dim=2)
    model = compiled(make_model(config, SPEC))
    draws = np.asarray(
        require_prior(model).sample(jax.jit(model.init)(jax.random.key(0), sample), jax.random.key(1), 20_000)
    )
    np.testing.assert_allclose(draws.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(draws.var(axis=0), 1, atol=0.1)


@pytest.mark.parametrize("prior", first_fast(["vamp", "mixture"]))
def test_what_is_prepared_once_gives_the_same_numbers(make_config, sample, prior):
    model, params, log_prob, _ = model_with(make_config, sample, prior, 4)
    z, once = jax.random.normal(jax.random.key(0), (5, 1)), prepared(model, params)
    np.testing.assert_allclose(log_prob(once, z), log_prob(params, z), rtol=1e-6)
    key, draw = jax.random.key(1), require_prior(model).sample
    np.testing.assert_allclose(draw(once, key, 9), draw(params, key, 9), rtol=1e-6)


@pytest.mark.parametrize("prior", first_fast(["mixture", "vamp"]))
def test_many_samples_converge_to_the_likelihood_computed_by_quadrature(make_config, sample, prior):
    model, params, log_prob, rate = model_with(make_config, sample, prior, 4, binarize="static_seeded")
    x = (np.asarray(jax.random.bernoulli(jax.random.key(8), 0.5, (5, *SHAPE))) * 255).astype(np.uint8)
    axis = jnp.asarray(np.linspace(-9, 9, 2001, dtype=np.float32)[:, None])
    outputs = model.decode(params, axis)
    log_prior = np.asarray(log_prob(params, axis), np.float64)
    rows = [model.log_likelihood(params, jnp.broadcast_to(one / jnp.float32(255), outputs.shape), outputs) for one in x]
    joint = np.asarray(rows, np.float64) + log_prior
    truth = scipy.special.logsumexp(joint, axis=1) + np.log(float(axis[1, 0] - axis[0, 0]))
    bound = make_split_bound(model, 3000)(params, jax.random.key(0), x)
    np.testing.assert_allclose(bound, truth, atol=0.03)
    posterior = model.encode(params, jnp.asarray(x / 255, jnp.float32))
    log_posterior: Any = rate.log_posterior
    log_q = np.asarray(jax.vmap(lambda z: log_posterior(params, posterior, z[None].repeat(5, 0)))(axis), np.float64)
    exact = (np.exp(log_q) * (log_q - log_prior[:, None])).sum(axis=0) * float(axis[1, 0] - axis[0, 0])

    def kl(key):
        return rate.kl_terms(params, posterior, model.reparameterize(params, key, posterior)).sum(axis=1)

    found = np.asarray(jax.vmap(kl)(jax.random.split(jax.random.key(4), 4000)), np.float64)
    assert (np.abs(found.mean(axis=0) - exact) < 5 * found.std(axis=0) / np.sqrt(4000) + 1e-4).all()


def test_more_pseudo_inputs_than_images_are_refused_in_one_line(make_config):
    with pytest.raises(
        InputError, match=r"^vamp\.components=13: pseudo-inputs start as .* 12 are read .*choices: 1 to 12$"
    ):
        make_model(make_config(prior="vamp", vamp__components=13), SPEC)
    large = Spec((512, 512, 3), num_train=10**6)
    assert large.sample_size == 2**24 // (512 * 512 * 3)
    assert Spec((8, 8, 1), num_train=10**6).sample_size == 1000
    shapes = init_shapes(make_model(make_config(prior="vamp", vamp__components=12), SPEC), SPEC)
    assert shapes["prior"]["pixel_logits"].shape == (12, *SHAPE)


@pytest.mark.parametrize("prior", ["vamp", "mixture"])
def test_free_bits_are_refused_where_the_kl_has_one_column(make_config, prior):
    config = make_config(prior=prior, free_bits=0.1, **{f"{prior}.components": 4})
    with pytest.raises(
        InputError,
        match=rf"objective=elbo: model=vae, prior={prior} has one KL of all its dimensions, and free_bits=0\.1",
    ):
        make_objective(config, make_model(config, SPEC))
