"""Tests of the VAE with two stochastic layers; test_contract.py tests what all models share."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import compiled, sample_of

from vae_jax.evaluation.estimators import iwae_bound, log_weight
from vae_jax.models import make_model, require_rate
from vae_jax.models.two_layer import Latents
from vae_jax.runs.run import Run
from vae_jax.types import Spec

SHAPE = (3, 2, 1)


@pytest.fixture
def two_layer(make_config):
    """Return a model with one dimension per layer and parameters far from their initial values."""
    config = make_config(
        model="two_layer",
        latent_dim=1,
        two_layer__upper_latent_dim=1,
        hidden_dims=(5,),
        two_layer__upper_hidden_dims=(4,),
        activation="tanh",
    )
    model = compiled(make_model(config, Spec(SHAPE)))
    params = jax.jit(model.init)(jax.random.key(0), sample_of(jnp.full(SHAPE, 0.4)))
    return config, model, moved(params)


@jax.jit
def moved(params):
    return jax.tree.map(lambda a: a + 0.4 * jax.random.normal(jax.random.key(2), a.shape), params)


@pytest.fixture
def x():
    return jax.random.bernoulli(jax.random.key(8), 0.5, (5, *SHAPE)).astype(jnp.float32)


def log_ratio(model, params, posterior, z) -> jax.Array:
    """Return log p(z) - log q(z|x)."""
    log_prior, rate = require_rate(model)
    assert rate.log_posterior is not None
    return log_prior(params, z) - rate.log_posterior(params, posterior, z)


def test_a_lower_layer_that_ignores_the_upper_one_is_a_vae(make_config, x, key):
    two = compiled(make_model(make_config(model="two_layer"), Spec(SHAPE)))
    one = compiled(make_model(make_config(), Spec(SHAPE)))
    params = two.init(key, sample_of(jnp.full(SHAPE, 0.4)))
    params["layers"] = jax.tree.map(jnp.zeros_like, params["layers"])
    np.testing.assert_array_equal(params["encoder"]["output"]["kernel"].shape[1], 6)
    posterior = two.encode(params, x)
    z = two.reparameterize(params, key, posterior).z
    of_two, of_one = log_ratio(two, params, posterior, z), log_ratio(one, params, posterior, z.lower)
    np.testing.assert_allclose(of_two, of_one, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(two.decode(params, z), one.decode(params, z.lower))
    np.testing.assert_array_equal(two.view(params, z), z.lower)


def test_the_upper_z_is_drawn_given_the_drawn_lower_z(two_layer, x, key):
    """q(upper|lower) is so narrow that an upper z drawn for another lower z would have almost no density."""
    _, model, params = two_layer
    bias = params["layers"]["encoder"]["output"]["bias"]
    params["layers"]["encoder"]["output"]["bias"] = bias.at[1].add(-12.0)

    @jax.jit
    def density(key):
        posterior = model.encode(params, x)
        return model.reparameterize(params, key, posterior).log_q

    assert (density(key) > 0).all()


@pytest.mark.slow
def test_many_samples_converge_to_the_likelihood_computed_by_quadrature(two_layer, x, key):
    _, model, params = two_layer
    axis = np.linspace(-8, 8, 161, dtype=np.float32)
    lower, upper = (plane.reshape(-1, 1) for plane in np.meshgrid(axis, axis))
    z = Latents(jnp.asarray(lower), jnp.asarray(upper))
    prior = np.asarray(model.prior.log_prob(params, z), np.float64)
    outputs = model.decode(params, z)
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
    run = Run(config, model, params, Spec(SHAPE), 0)
    assert not run.standard_prior  # the view is the lower layer, whose prior is not N(0, I)
    assert run.sample(3).shape == (3, *SHAPE)
    np.testing.assert_array_equal(run.sample(5)[:3], run.sample(3))
    images = np.asarray(x)
    assert run.sample_posterior(images).shape == (5, 1)
    assert run.kl_terms(images).shape == (5, 2)
    np.testing.assert_array_equal(run.latents(images), run.encode(images).mean)
    np.testing.assert_array_equal(run.reconstruct(images), run.decode(run.latents(images)))
    np.testing.assert_allclose(run.decode(run.sample_prior(3)), run.sample(3), atol=1e-6)
    drawn = jax.tree.map(np.asarray, model.prior.sample(params, jax.random.key(1), 4))
    np.testing.assert_array_equal(run.decode(drawn), run.decode(drawn.lower))


@pytest.mark.slow
def test_sampled_latents_are_those_of_the_lower_layer_with_noise(two_layer, x):
    """The numbers of a z are the lower ones, everywhere: before noise, of the posterior and of the prior."""
    config, model, params = two_layer
    run, images = Run(config, model, params, Spec(SHAPE), 0), np.asarray(x)
    posterior = run.encode(images)
    drawn = np.stack([run.sample_posterior(images, seed)[:, 0] for seed in range(300)])
    deviation = np.exp(posterior.logvar[:, 0] / 2)
    assert (np.abs(drawn.mean(axis=0) - posterior.mean[:, 0]) < 4 * deviation / np.sqrt(300)).all()
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.25)
    assert model.rate.kl_names() == ("lower z1", "upper z1")
