"""The residual networks and the convolutions that they are made of."""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.models import compiled, sample_of
from support.random_run import layers_of, random_run
from support.slow import first_fast

from vae_jax.config import flatten
from vae_jax.models import make_model, parameter_table, require_rate
from vae_jax.models.networks import NETWORKS, convolution_passes, resnet
from vae_jax.models.networks.convolution import convolve, same_padding
from vae_jax.models.networks.convolution_passes import DIMENSIONS
from vae_jax.models.networks.doubled import convolve_doubled
from vae_jax.models.networks.residual import GroupNorm
from vae_jax.types import Spec

ODD_SHAPES = [(33, 20, 2), (28, 28, 1), (1, 1, 1), (5, 7, 1), (1, 9, 4)]


def applied(module, params, *arguments) -> Any:
    return module.apply(params, *arguments)


def assert_agree(one, other, key, *arguments):
    """Compare two functions of arrays in value and in every gradient."""
    y = jax.eval_shape(other, *arguments)
    cotangent = jax.random.normal(key, y.shape)

    def both(*arguments):
        return [(value, back(cotangent)) for value, back in (jax.vjp(f, *arguments) for f in (one, other))]

    found, expected = jax.jit(both)(*arguments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected)


@pytest.mark.parametrize(
    ("batch", "strides"), first_fast([(7, (1, 1)), (7, (2, 2)), (2, (1, 1)), (1, (2, 2)), (40, (1, 1))])
)
def test_a_gradient_by_parts_of_the_batch_agrees_with_lax(key, monkeypatch, batch, strides):
    monkeypatch.setattr(convolution_passes, "PART", 2 * 5 * 4 * 6)
    monkeypatch.setattr(convolution_passes, "IMAGES", 2)
    keys, padding = jax.random.split(key, 3), same_padding((5, 4), (3, 3), strides)
    x, kernel = jax.random.normal(keys[0], (batch, 5, 4, 5)), jax.random.normal(keys[1], (3, 3, 5, 6))

    def stock(x, kernel):
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=DIMENSIONS)

    assert_agree(lambda x, kernel: convolve(x, kernel, strides, padding, in_parts=True), stock, keys[2], x, kernel)


@pytest.mark.parametrize(("height", "width"), first_fast([(3, 4), (1, 1), (1, 5)]))
def test_a_doubled_image_is_convolved_as_if_its_pixels_were_repeated(key, height, width):
    keys = jax.random.split(key, 3)
    x, kernel = jax.random.normal(keys[0], (2, height, width, 5)), jax.random.normal(keys[1], (3, 3, 5, 6))

    def stock(x, kernel):
        doubled = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        return lax.conv_general_dilated(doubled, kernel, (1, 1), "SAME", dimension_numbers=DIMENSIONS)

    assert_agree(convolve_doubled, stock, keys[2], x, kernel)


@pytest.mark.parametrize(("channels", "groups"), first_fast([(16, 2), (5, 1)]))
def test_group_normalization_agrees_with_numpy(channels, groups):
    rng = np.random.default_rng(0)
    x = 3 + rng.normal(size=(2, 3, 4, channels)) * np.arange(1, channels + 1)
    scale, bias = rng.normal(size=(2, channels))
    grouped = x.reshape(2, 12, groups, -1)
    mean, variance = grouped.mean(axis=(1, 3), keepdims=True), grouped.var(axis=(1, 3), keepdims=True)
    expected = ((grouped - mean) / np.sqrt(variance + 1e-6)).reshape(x.shape) * scale + bias
    params = {"params": {"scale": np.float32(scale), "bias": np.float32(bias)}}
    norm = jax.jit(lambda x: applied(GroupNorm(), params, x))
    np.testing.assert_allclose(norm(np.float32(x)), expected, rtol=1e-4, atol=1e-4)
    rounded = norm(jnp.bfloat16(x))
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float64(rounded), expected, rtol=0.03, atol=0.03)


@pytest.mark.parametrize(
    ("shape", "channels"), first_fast(itertools.product(ODD_SHAPES, [(8, 16, 5, 4), (3,)])), ids=str
)
def test_the_decoder_returns_exactly_the_input_shape(make_config, key, shape, channels):
    model = compiled(make_model(make_config(network="resnet", channels=channels), Spec(shape)))

    def outputs(key):
        params = jax.jit(model.init)(key, sample_of(jnp.zeros(shape)))
        posterior = model.encode(params, jnp.zeros((2, *shape)))
        return params, posterior, model.decode(params, posterior.mean)

    params, posterior, decoded = jax.eval_shape(outputs, key)
    assert posterior.mean.shape == (2, 3)
    assert decoded.shape == (2, *shape)
    assert params["decoder"]["output"]["bias"].shape == shape


def test_a_block_starts_as_the_identity_and_is_another_function_afterwards(key):
    x, block = jax.random.normal(key, (2, 3, 2, 5)), resnet.Block(lambda x, deterministic: jnp.tanh(x))

    @jax.jit
    def compute(key):
        params = block.init(key, x, True)
        moved = jax.tree.map(lambda leaf: leaf + 0.1, params)
        return applied(block, params, x, True), applied(block, moved, x, True)

    start, later = compute(key)
    np.testing.assert_array_equal(start, x)
    assert np.abs(later - x).max() > 0.01


@pytest.mark.slow
def test_it_starts_at_the_mean_image_with_blocks_that_are_the_identity(make_config, key):
    shape = (5, 3, 2)
    mean_image = jax.random.uniform(key, shape)
    model = compiled(make_model(make_config(network="resnet", channels=(8,)), Spec(shape)))
    x = jax.random.uniform(jax.random.key(1), (6, *shape))

    def other_blocks(path, leaf, spared):
        """Replace what is in a block but the kernel of its second convolution, which is spared."""
        names = [part.key for part in path]
        inside = any("Block" in name for name in names) and spared not in names
        return jax.random.normal(jax.random.key(2), leaf.shape) if inside else leaf

    @jax.jit
    def compute(key):
        params = jax.jit(model.init)(key, sample_of(mean_image))
        assert model.pixel_mean is not None
        start = model.pixel_mean(params, model.decode(params, jnp.zeros((1, 3))))[0]
        others = [
            jax.tree_util.tree_map_with_path(partial(other_blocks, spared=name), params) for name in ("Same_1", "")
        ]
        return start, [model.encode(own, x).mean for own in (params, *others)]

    start, means = compute(key)
    np.testing.assert_allclose(start, np.clip(mean_image, 0.001, 0.999), atol=1e-5)
    np.testing.assert_array_equal(means[0], means[1])
    assert np.abs(means[0] - means[2]).max() > 0.01


@pytest.mark.slow
def test_every_parameter_gets_a_gradient_and_images_are_encoded_one_by_one_as_together(make_config, key):
    run = random_run((5, 3, 2), network="resnet", channels=(8, 5))
    model, x = run.model, jax.random.uniform(key, (6, 5, 3, 2))

    def bound(params):
        posterior = model.encode(params, x)
        draw = model.reparameterize(params, key, posterior)
        kl = require_rate(model)[1].kl_terms(params, posterior, draw).sum(axis=1)
        return (model.log_likelihood(params, x, model.decode(params, draw.z)) - kl).mean()

    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(bound))(run.params)):
        assert np.abs(leaf).max() > 0, f"{path} gets no gradient"
    encode = jax.jit(jax.vmap(lambda params, one: model.encode(params, one[None]).mean[0], in_axes=(None, 0)))
    one_by_one = encode(run.params, x)
    np.testing.assert_allclose(one_by_one, run.encode(np.asarray(x)).mean, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_parameters_have_readable_names(make_config, key):
    config = make_config(network="resnet", channels=(4, 6), resnet__blocks=2, latent_dim=3)
    model = make_model(config, Spec((9, 8, 1)))
    shapes = jax.eval_shape(model.init, key, sample_of(jnp.zeros((9, 8, 1))))
    table = {name: shape for name, shape, _ in parameter_table(shapes)}
    assert table["encoder/Down_1/kernel"] == "(3, 3, 4, 6)"
    assert table["encoder/Block_3/Same_0/kernel"] == "(3, 3, 6, 6)"
    assert table["encoder/GroupNorm_0/scale"] == "(6,)"
    assert table["decoder/Dense_0/kernel"] == f"(3, {3 * 2 * 6})"
    assert table["decoder/Block_0/GroupNorm_1/bias"] == "(6,)"
    assert table["decoder/Up_0/kernel"] == "(3, 3, 6, 4)"
    assert table["decoder/output/bias"] == "(9, 8, 1)"
    assert sum("Block" in name for name in table) == 2 * 2 * 2 * 6


@pytest.mark.slow
def test_a_quantised_model_has_a_code_at_each_place_of_the_deepest_map(make_config, key):
    changes = {"model": "quantized", "network": "resnet", "channels": (4, 4), "quantized__codes_per_image": 0}
    model = compiled(make_model(make_config(**changes), Spec((9, 5, 3))))

    def codes(key):
        params = jax.jit(model.init)(key, sample_of(jnp.zeros((9, 5, 3))))
        z = model.reparameterize(params, None, model.encode(params, jnp.zeros((2, 9, 5, 3)))).z
        assert model.codes is not None
        return model.codes(params, z), model.decode(params, z)

    found, decoded = jax.eval_shape(codes, key)
    assert (model.grid, found.shape, decoded.shape) == ((3, 2), (2, 6), (2, 9, 5, 3))


@pytest.mark.slow
def test_bfloat16_differs_by_its_rounding():
    exact, rounded = (
        random_run((6, 5, 1), network="resnet", channels=(8,), dtype=dtype) for dtype in ("float32", "bfloat16")
    )
    assert layers_of(exact)[1][-1].kind == "pixel_mean"
    x = np.random.default_rng(1).random((2, 6, 5, 1), np.float32)
    difference = np.abs(rounded.encode(x).mean - exact.encode(x).mean).max()
    assert 1e-5 < difference < 0.1


def test_networks_without_a_convolution_are_refused(make_config):
    (line,) = NETWORKS["resnet"].problems(flatten(make_config(network="resnet", channels=())))
    assert line.startswith("channels=(): network=resnet needs the channels of at least one convolution")
