"""Latent spaces on the grid of a convolutional network: their layout, their KL, and the layers of exports and the page."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import compiled, sample_of
from support.random_run import random_run

from vae_jax import config as config_lib
from vae_jax.config.combinations import combination_problems
from vae_jax.errors import InputError
from vae_jax.models import describe_latents, make_model
from vae_jax.types import Spec

SHAPE, GRID, CHANNELS = (12, 8, 1), (3, 2), 2
SIZE = 12


def build(make_config, key, shape=SHAPE, **changes):
    config = make_config(**{"network": "conv", "channels": (6, 8), "latent_grid": CHANNELS} | changes)
    model = compiled(make_model(config, Spec(shape)))
    return config, model, jax.jit(model.init)(key, sample_of(jnp.full(shape, 0.5)))


def test_the_numbers_of_a_place_are_together_in_images_and_in_z(make_config, key):
    config, model, params = build(make_config, key)
    assert (model.grid, describe_latents(model, config)) == (GRID, "latent 3 x 2 x 2")
    x = jax.random.uniform(key, (1, *SHAPE))
    mean = jax.jit(jax.jacobian(lambda x: model.encode(params, x).mean[0]))(x)[:, 0, ..., 0].reshape(
        *GRID, CHANNELS, *SHAPE[:2]
    )
    z = model.encode(params, x).mean
    pixel = jax.jit(jax.jacobian(lambda z: model.decode(params, z)[0, ..., 0]))(z)[:, :, 0].reshape(
        *SHAPE[:2], *GRID, CHANNELS
    )
    for name, slopes in (
        ("encode", jnp.abs(mean).sum(axis=2)),
        ("decode", jnp.abs(pixel).sum(axis=4).transpose(2, 3, 0, 1)),
    ):
        rows, columns = jnp.arange(SHAPE[0]), jnp.arange(SHAPE[1])
        for i, j in np.ndindex(*GRID):
            far = (jnp.abs(rows - (4 * i + 1.5)) > 8)[:, None] | (jnp.abs(columns - (4 * j + 1.5)) > 8)[None]
            assert float(jnp.where(far, slopes[i, j], 0).max()) == 0, (
                f"{name}: place {i}, {j} sees beyond its neighbours"
            )
            assert float(slopes[i, j, 4 * i + 1, 4 * j + 1]) > 0, f"{name}: place {i}, {j} does not see its own pixels"


@pytest.mark.parametrize("network", ["conv", pytest.param("resnet", marks=pytest.mark.slow)])
def test_a_grid_of_one_place_is_the_vector_of_a_vae(make_config, key, network):
    shape = (4, 4, 2)
    _, grid, params = build(make_config, key, shape, network=network)
    config = make_config(network=network, channels=(6, 8), latent_dim=CHANNELS)
    plain = compiled(make_model(config, Spec(shape)))
    own = jax.jit(plain.init)(key, sample_of(jnp.full(shape, 0.5)))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, own)
    x = jax.random.uniform(key, (3, *shape))
    jax.tree.map(np.testing.assert_array_equal, grid.encode(own, x), plain.encode(own, x))
    z = jax.random.normal(key, (3, CHANNELS))
    np.testing.assert_array_equal(grid.decode(own, z), plain.decode(own, z))


@pytest.mark.parametrize("prior", ["", pytest.param("flow", marks=pytest.mark.slow)])
def test_the_prior_and_the_kl_are_those_of_all_numbers(make_config, key, prior):
    _, model, params = build(make_config, key, prior=prior)
    assert model.prior is not None
    assert model.rate is not None
    posterior = model.encode(params, jax.random.uniform(key, (2, *SHAPE)))
    draw = model.reparameterize(params, key, posterior)
    assert posterior.mean.shape == model.prior.sample(params, key, 2).shape == (2, SIZE)
    mean, logvar = np.asarray(posterior.mean, float), np.asarray(posterior.logvar, float)
    closed = 0.5 * (mean**2 + np.exp(logvar) - logvar - 1)
    terms = model.rate.kl_terms(params, posterior, draw)
    if prior:
        assert terms.shape == (2, 1)
    else:
        np.testing.assert_allclose(terms, closed, rtol=1e-4, atol=1e-6)
        assert len(model.rate.kl_names()) == SIZE


@pytest.mark.parametrize(("network", "shape"), [("conv", (9, 6, 2)), ("resnet", (5, 8, 1))])
def test_layers_lead_to_the_mean_and_logvar_and_back(network, shape):
    run = random_run(shape, network=network, channels=(8, 4), latent_grid=CHANNELS)
    assert run.model.layers is not None
    layers = run.model.layers(run.params)
    x = np.random.default_rng(0).random((2, *shape), np.float32)
    assert layers.encoder[-1].output == (2 * run.latents(x).shape[1],)
    assert layers.decoder[0].output == (*run.model.grid, CHANNELS)


@pytest.mark.slow
def test_a_conditional_grid_is_given_the_label(make_config, key):
    config = make_config(network="conv", channels=(6, 8), latent_grid=CHANNELS, condition="label")
    model = compiled(make_model(config, Spec(SHAPE, num_classes=2)))
    assert model.given is not None
    params = jax.jit(model.init)(key, sample_of(jnp.full(SHAPE, 0.5)))
    z = jnp.zeros((2, SIZE))
    zero, one = model.given(jnp.array([0, 1])).decode(params, z)
    assert float(jnp.abs(zero - one).max()) > 0


def test_what_does_not_fit_a_grid_is_refused(make_config):
    flat = config_lib.flatten(make_config(network="conv", latent_grid=2))
    assert combination_problems(flat) == []
    (line,) = combination_problems(flat | {"posterior": "iaf"})
    assert line.startswith("posterior=iaf: latent_grid=2 has diagonal Gaussians at its places; choices: ")
    (line,) = combination_problems(flat | {"network": "mlp"})
    assert line == "network=mlp: latent_grid=2 needs a network with a grid; choices: network=conv, network=resnet"
    with pytest.raises(InputError, match="latent_dim=7: latent_grid=2 takes its place"):
        config_lib.validate(config_lib.nest(flat | {"latent_dim": 7}), {})
    assert config_lib.run_name(config_lib.nest(flat), "vae").startswith("vae-digits-grid2-")
