"""The grid of codes at any factor of the image's size, for both convolutional networks."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import compiled, sample_of
from support.random_run import random_run
from support.slow import first_fast

from vae_jax import config as config_lib
from vae_jax.config.combinations import combination_problems
from vae_jax.config.registries import NAMES
from vae_jax.errors import InputError
from vae_jax.models import make_model, require_prior
from vae_jax.models.networks.stages import stages_of
from vae_jax.models.networks.strided import transposed_init
from vae_jax.types import Spec

NETWORKS = ("conv", "resnet")
SIZES = [(28, 28, 1), (32, 32, 3), (33, 20, 2), (5, 7, 1), (1, 9, 4)]
CHANNELS = (4, 6, 5)
GRID, CODES = {"latent_grid": 2}, {"model": "quantized", "vq__codes": 3}


def fitting(height: int, width: int) -> list[int]:
    """Return the factors of three stages whose half leaves more than one place."""
    return [factor for factor in (1, 2, 4, 8) if factor // 2 < max(height, width)]


CASES = [(network, shape, factor) for shape in SIZES for factor in fitting(*shape[:2]) for network in NETWORKS]


@pytest.mark.parametrize("kind", [pytest.param(GRID, id="latent_grid"), pytest.param(CODES, id="codes")])
@pytest.mark.parametrize(("network", "shape", "factor"), first_fast(CASES, every=29), ids=str)
def test_the_grid_has_the_image_s_sides_by_the_factor_rounded_up(make_config, key, kind, network, shape, factor):
    grid = (math.ceil(shape[0] / factor), math.ceil(shape[1] / factor))
    model = compiled(make_model(make_config(network=network, channels=CHANNELS, downscale=factor, **kind), Spec(shape)))
    assert model.grid == grid

    def through(key) -> Any:
        params = jax.jit(model.init)(key, sample_of(jnp.zeros(shape), np.zeros((9, *shape), np.uint8)))
        posterior = model.encode(params, jnp.zeros((2, *shape)))
        z = model.reparameterize(params, key, posterior).z
        drawn = require_prior(model).sample(params, key, 2)
        codes = None if model.codes is None else model.codes(params, z)
        return params, codes, model.view(params, z), model.decode(params, z), model.decode(params, drawn)

    params, codes, view, decoded, sampled = jax.eval_shape(through, key)
    assert decoded.shape == sampled.shape == (2, *shape)
    assert view.shape == (2, math.prod(grid) * (2 if codes is None else 3))
    assert codes is None or codes.shape == (2, math.prod(grid))
    assert params["decoder"]["output"]["bias"].shape[:2] == shape[:2]


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_a_place_sees_its_own_pixels_and_is_seen_by_them(network):
    run = random_run((12, 8, 1), network=network, channels=CHANNELS, latent_grid=1, downscale=2, activation="tanh")
    model, params = run.model, jax.tree.map(jnp.asarray, run.params)
    x = jax.random.uniform(jax.random.key(0), (1, 12, 8, 1))
    slopes = jax.jit(jax.jacobian(lambda x: model.encode(params, x).mean[0]))(x)[:, 0, ..., 0].reshape(6, 4, 12, 8)
    z = model.encode(params, x).mean
    back = jax.jit(jax.jacobian(lambda z: model.decode(params, z)[0, ..., 0]))(z)[:, :, 0].reshape(12, 8, 6, 4)
    for i, j in np.ndindex(6, 4):
        assert (jnp.abs(slopes[i, j, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]) > 0).all(), (i, j)
        assert (jnp.abs(back[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, i, j]) > 0).all(), (i, j)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_as_many_halvings_as_stages_are_the_network_without_the_key(make_config, network):
    shape, runs = (7, 10, 1), []
    for factor in (0, 8):
        runs.append(random_run(shape, network=network, channels=CHANNELS, downscale=factor))
    x = np.random.default_rng(0).random((2, *shape), np.float32)
    jax.tree.map(np.testing.assert_array_equal, runs[0].params, runs[1].params)
    np.testing.assert_array_equal(*(run.latents(x) for run in runs))
    np.testing.assert_array_equal(*(run.reconstruct(x) for run in runs))


@pytest.mark.parametrize(("network", "factor"), first_fast(itertools.product(NETWORKS, (1, 2, 4)), every=6))
def test_a_dense_latent_has_the_factor_too_and_every_parameter_a_gradient(make_config, key, network, factor):
    config = make_config(network=network, channels=(4, 6), downscale=factor, activation="tanh")
    model = compiled(make_model(config, Spec((5, 4, 1))))
    shapes = jax.eval_shape(model.init, key, sample_of(jnp.full((5, 4, 1), 0.5)))
    assert model.grid == ()
    sides = math.ceil(5 / factor), math.ceil(4 / factor)
    assert shapes["decoder"]["Dense_0"]["kernel"].shape == (3, math.prod(sides) * 6)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32) / 3, shapes)
    x = jax.random.uniform(key, (3, 5, 4, 1))

    def mean_likelihood(params):
        return model.log_likelihood(params, x, model.decode(params, model.encode(params, x).mean)).mean()

    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(mean_likelihood))(params)):
        if path[0].key in ("encoder", "decoder"):
            assert np.abs(leaf).max() > 0, f"{path} gets no gradient"


def test_the_scale_of_the_start_does_not_depend_on_the_stride(key):
    for stride in (1, 2):
        kernel = jax.jit(lambda key, stride=stride: transposed_init((stride, stride))(key, (3, 3, 64, 64)))(key)
        # A pixel meets all nine taps with stride 1, and with stride 2 a quarter of them.
        np.testing.assert_allclose(np.var(kernel), 2 / (9 / stride**2 * 64), rtol=0.05)


def problems(make_config, **changes):
    return combination_problems(config_lib.flatten(make_config(network="conv", channels=(8, 8), **changes)))


def test_factors_that_the_network_cannot_make_are_refused_in_one_line(make_config):
    assert problems(make_config, downscale=4) == []
    assert problems(make_config, downscale=3) == ["downscale=3: not a power of two; choices: 0, 1, 2, 4"]
    (line,) = problems(make_config, downscale=8)
    assert line == "downscale=8: needs 3 convolutions, and channels=(8, 8) has 2; choices: 0, 1, 2, 4, or more channels"
    flat = config_lib.flatten(make_config(network="resnet", channels=(8,)))
    assert combination_problems(flat | {"downscale": 6}) == ["downscale=6: not a power of two; choices: 0, 1, 2"]
    for value in (-1, 0.5):
        with pytest.raises(InputError, match=rf"^downscale={value}: .*a whole number, at least 0.*\Z"):
            config_lib.validate(config_lib.nest(flat | {"downscale": value}), NAMES)
    with pytest.raises(InputError, match=r"^downscale=2: only network=conv or network=resnet reads this key.*\Z"):
        config_lib.validate(config_lib.nest(config_lib.flatten(make_config()) | {"downscale": 2}), NAMES)


def test_a_factor_beyond_the_image_is_refused_and_one_place_is_not(make_config):
    config = make_config(network="conv", channels=(4,) * 5, downscale=16)
    with pytest.raises(InputError) as caught:
        stages_of(config, (8, 3))
    expected = "downscale=16: the images have 8 x 3 pixels, which 8 makes one place already; choices: 0, 1, 2, 4, 8"
    assert str(caught.value) == expected
    assert stages_of(config, (9, 3)).sizes[-1] == (1, 1)
    assert stages_of(make_config(network="conv", channels=(4,) * 5), (8, 3)).sizes[-1] == (1, 1)


def test_runs_of_different_factors_have_different_names(make_config):
    names = {
        config_lib.run_name(make_config(network="conv", latent_grid=2, downscale=factor), "vae") for factor in (0, 2, 4)
    }
    assert len(names) == 3
