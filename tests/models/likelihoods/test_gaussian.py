"""Tests of the gaussian likelihood's standard deviation: fixed, learned, refitted."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from support.models import SPEC, sample_of
from support.objective import terms_of

from vae_jax.models import make_model
from vae_jax.models.likelihoods import gaussian, make_likelihood
from vae_jax.objectives import make_objective
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams, make_train_step
from vae_jax.types import Spec

SHAPE = (4, 3, 1)
SIZE = 12


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (8, *SHAPE))


@pytest.mark.parametrize("mode", ["given", "learned", "optimal"])
@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_the_density_agrees_with_scipy_at_the_initial_sigma(make_config, key, x, sigma, mode):
    likelihood = make_likelihood(
        make_config(likelihood="gaussian", gaussian__sigma=sigma, gaussian__sigma_mode=mode), SPEC
    )
    outputs = jax.random.normal(key, x.shape)
    expected = scipy.stats.norm.logpdf(np.float64(x), np.float64(outputs), sigma).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(likelihood.log_prob(likelihood.init(key), x, outputs), expected, rtol=1e-5)


def parts(config, axis_name=None):
    model, optimizer = make_model(config, Spec(SHAPE)), make_optimizer(config, 10)
    objective = make_objective(config, model, 10)
    step: Any = make_train_step(model, objective, optimizer, axis_name)
    step = functools.partial(step, hparams=make_hparams(config))
    state = init_state(model.init(jax.random.key(1), sample_of(jnp.full(SHAPE, 0.5))), optimizer)
    return model, step, state


def variance(state) -> float:
    return float(jnp.exp(state.params["likelihood"]["logvar"]).squeeze())


def squared_error(model, params, x) -> float:
    return float(jnp.square(x - model.decode(params, model.encode(params, x).mean)).mean())


AE = {"model": "ae", "objective": "reconstruction", "likelihood": "gaussian"}


@pytest.mark.parametrize(
    "ratio", [pytest.param(0.5, marks=pytest.mark.slow), 1.0, pytest.param(2.0, marks=pytest.mark.slow)]
)
def test_a_learned_sigma_is_trained_towards_the_root_mean_squared_error(make_config, x, key, ratio):
    config = make_config(**AE, gaussian__sigma_mode="learned")
    model, step, state = parts(config)
    assert variance(state) == 1
    logvar = jnp.log(jnp.float32(ratio * squared_error(model, state.params, x)))
    state = state._replace(params=state.params | {"likelihood": {"logvar": logvar}})
    grads = jax.grad(lambda p: terms_of(config, model, p, key, x)["loss"].mean())(state.params)
    assert float(grads["likelihood"]["logvar"]) == pytest.approx(SIZE / 2 * (1 - 1 / ratio), abs=1e-4)
    if ratio != 1:
        moved = float(step(state, x, key)[0].params["likelihood"]["logvar"] - logvar)
        assert moved == pytest.approx(1e-3 if ratio < 1 else -1e-3, rel=1e-2)


@pytest.mark.parametrize("sigma", [0.05, 1.0])
@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_the_first_step_takes_the_batchs_maximum_likelihood_variance(make_config, x, key, sigma, clip_norm):
    config = make_config(**AE, gaussian__sigma_mode="optimal", gaussian__sigma=sigma, clip_norm=clip_norm)
    model, step, state = parts(config)
    new, _ = jax.jit(step)(state, x, key)
    assert variance(new) == pytest.approx(squared_error(model, state.params, x), rel=1e-4)


def test_the_optimizer_never_sees_the_gradient_of_a_refitted_sigma(make_config, x, key):
    """If it did, a clipped norm would shrink the networks' steps."""
    changes = AE | {"gaussian.sigma": 0.05, "clip_norm": 0.01, "optimizer": "sgd"}
    news = []
    for mode in ("given", "optimal"):
        _, step, state = parts(make_config(**changes, gaussian__sigma_mode=mode))
        news.append(jax.jit(step)(state, x, key)[0].params)
    jax.tree.map(np.testing.assert_array_equal, news[0]["decoder"], news[1]["decoder"])


def test_later_steps_average_the_batches_estimates(make_config, x, key):
    config = make_config(**AE, gaussian__sigma_mode="optimal", learning_rate=0.01)
    model, step, state = parts(config)
    step, expected = jax.jit(step), 0.0
    for i in range(40):
        batch = x if i % 2 else x**2
        rate = max(1 / (i + 1), gaussian.REFIT_RATE)
        expected += rate * (squared_error(model, state.params, batch) - expected)
        state, _ = step(state, batch, key)
        assert variance(state) == pytest.approx(expected, rel=1e-3)


def test_the_optimal_sigma_gives_the_gradients_of_sigma_vae(make_config, x, key):
    """At the batch's own estimate sigma is optimal, so the gradient is that of H W C / 2 log(mse of the batch)."""
    config = make_config(**AE, gaussian__sigma_mode="optimal")
    model, _, state = parts(config)
    at_optimum = state.params | {
        "likelihood": {"logvar": jnp.log(jnp.float32(squared_error(model, state.params, x))).reshape(())}
    }
    ours = jax.grad(lambda p: terms_of(config, model, p, key, x)["loss"].mean())(at_optimum)

    def paper(params):
        return SIZE / 2 * jnp.log(jnp.square(x - model.decode(params, model.encode(params, x).mean)).mean())

    theirs = jax.grad(paper)(at_optimum)
    for name in ("encoder", "decoder"):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), ours[name], theirs[name])
    assert float(optax.tree.norm(theirs)) > 0.1
    assert abs(float(ours["likelihood"]["logvar"])) < 1e-4


@pytest.mark.slow
def test_under_a_mapped_axis_the_estimate_uses_the_whole_batch(make_config, x, key):
    config = make_config(**AE, gaussian__sigma_mode="optimal", optimizer="sgd")
    _, step, state = parts(config)
    whole, _ = jax.jit(step)(state, x, key)
    _, step, _ = parts(config, "batch")
    states = jax.tree.map(lambda a: jnp.broadcast_to(a, (2, *a.shape)), state)
    mapped, _ = jax.pmap(step, axis_name="batch", in_axes=(0, 0, None))(states, x.reshape(2, 4, *SHAPE), key)
    np.testing.assert_allclose(
        mapped.params["likelihood"]["logvar"], [whole.params["likelihood"]["logvar"]] * 2, rtol=1e-5
    )


def test_a_perfect_reconstruction_does_not_make_the_density_infinite():
    params = {"logvar": jnp.float32(-5.0)}
    perfect = {"logvar": jnp.float32(SIZE / 2)}
    assert float(gaussian.refit(params, perfect, jnp.int32(0), SIZE)["logvar"]) == pytest.approx(-12)
