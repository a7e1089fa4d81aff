"""Tests of the VAE with two stochastic layers; test_contract.py tests what all models share."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.evaluation.estimators import iwae_bound, log_weight
from vae_jax.models import make_model
from vae_jax.models.two_layer import Latents
from vae_jax.runs.run import Run

SHAPE = (3, 2, 1)


@pytest.fixture
def two_layer(make_config):
    """Return a model with one dimension per layer and parameters far from their initial values."""
    config = make_config(
        model="two_layer", latent_dim=1, upper_latent_dim=1, hidden_dims=(5,), upper_hidden_dims=(4,), activation="tanh"
    )
    model = make_model(config, SHAPE)
    params = model.init(jax.random.key(0), jnp.full(SHAPE, 0.4))
    return config, model, jax.tree.map(lambda a: a + 0.4 * jax.random.normal(jax.random.key(2), a.shape), params)


@pytest.fixture
def x():
    return jax.random.bernoulli(jax.random.key(8), 0.5, (5, *SHAPE)).astype(jnp.float32)


def test_a_lower_layer_that_ignores_the_upper_one_is_a_vae(make_config, x, key):
    two = make_model(make_config(model="two_layer"), SHAPE)
    one = make_model(make_config(), SHAPE)
    params = two.init(key, jnp.full(SHAPE, 0.4))
    params["layers"] = jax.tree.map(jnp.zeros_like, params["layers"])
    np.testing.assert_array_equal(params["encoder"]["output"]["kernel"].shape[1], 6)
    posterior = two.encode(params, x)
    z = two.reparameterize(params, key, posterior)
    assert two.log_prior is not None
    assert two.log_posterior is not None
    assert one.log_prior is not None
    assert one.log_posterior is not None
    of_two = two.log_prior(params, z) - two.log_posterior(params, posterior, z)
    of_one = one.log_prior(params, z.lower) - one.log_posterior(params, posterior, z.lower)
    np.testing.assert_allclose(of_two, of_one, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(two.decode(params, z), one.decode(params, z.lower))
    np.testing.assert_array_equal(two.decode(params, z.lower), one.decode(params, z.lower))


def test_the_upper_z_is_drawn_given_the_drawn_lower_z(two_layer, x, key):
    """q(upper|lower) is so narrow that an upper z drawn for another lower z would have almost no density."""
    _, model, params = two_layer
    bias = params["layers"]["encoder"]["output"]["bias"]
    params["layers"]["encoder"]["output"]["bias"] = bias.at[1].add(-12.0)

    @jax.jit
    def density(key):
        posterior = model.encode(params, x)
        return model.log_posterior(params, posterior, model.reparameterize(params, key, posterior))

    assert (density(key) > 0).all()


@pytest.mark.slow
def test_many_samples_converge_to_the_likelihood_computed_by_quadrature(two_layer, x, key):
    _, model, params = two_layer
    axis = np.linspace(-8, 8, 161, dtype=np.float32)
    lower, upper = (plane.reshape(-1, 1) for plane in np.meshgrid(axis, axis))
    prior = np.asarray(model.log_prior(params, Latents(jnp.asarray(lower), jnp.asarray(upper))), np.float64)
    outputs = model.decode(params, jnp.asarray(lower))
    cell = 2 * math.log(axis[1] - axis[0])
    assert np.logaddexp.reduce(prior) + cell == pytest.approx(0, abs=0.01)
    rows = [np.asarray(model.log_likelihood(params, jnp.broadcast_to(one, outputs.shape), outputs)) for one in x]
    truth = np.logaddexp.reduce(np.asarray(rows, np.float64) + prior, axis=1) + cell
    np.testing.assert_allclose(iwae_bound(model, params, key, x, 4000), truth, atol=0.03)
    few = jax.vmap(lambda key: log_weight(model, params, key, x))(jax.random.split(key, 2000))
    assert (np.asarray(few).mean(axis=0) < truth).all()


@pytest.mark.slow
def test_a_run_samples_encodes_and_decodes(two_layer, x):
    config, model, params = two_layer
    run = Run(config, model, params, SHAPE, 0)
    assert not run.standard_prior  # the lower layer is decoded, and its prior is not N(0, I)
    assert run.sample(3).shape == (3, *SHAPE)
    np.testing.assert_array_equal(run.sample(5)[:3], run.sample(3))
    images = np.asarray(x)
    assert run.sample_posterior(images).shape == (5, 1)
    assert run.kl_terms(images).shape == (5, 2)
    assert run.reconstruct(images).shape == images.shape
    prior = jax.vmap(lambda key: model.sample_prior(params, key, 1))(jax.random.split(jax.random.key(1), 4))
    lower = jax.tree.map(lambda a: np.asarray(a[:, 0]), prior)
    np.testing.assert_array_equal(run.decode(lower), run.decode(lower.lower))
