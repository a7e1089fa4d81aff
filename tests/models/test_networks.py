"""Tests of the networks and their convolutions; test_contract.py tests what all networks share."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec
from support.models import compiled, sample_of
from support.slow import fast_if, first_fast

from vae_jax.models import make_model, parameter_table, require_rate
from vae_jax.models.networks import convolution_passes
from vae_jax.models.networks.convolution import conv_transpose, convolve, padding_to_size
from vae_jax.models.networks.convolution_passes import DIMENSIONS
from vae_jax.system.devices import make_layout
from vae_jax.types import Spec

ODD_SHAPES = [(28, 28, 1), (8, 8, 1), (33, 20, 2), (64, 64, 3), (1, 1, 1), (5, 7, 1), (1, 9, 4)]
GEOMETRIES = [
    *itertools.product([(1, 1), (3, 3), (2, 4), (5, 3)], [(1, 1), (2, 2), (3, 2)], ["SAME", "VALID"]),
    ((3, 3), (2, 2), ((1, 2), (2, 1))),
    ((3, 3), (2, 2), ((0, 1), (1, 0))),
    ((4, 3), (2, 3), ((3, 5), (0, 4))),
    ((3, 2), (2, 2), ((-1, 2), (1, -2))),
]


def explicit(kernel_size, strides, padding):
    """Return the padding pairs that lax.conv_transpose documents for a named padding."""
    if not isinstance(padding, str):
        return padding
    pairs = []
    for k, s in zip(kernel_size, strides, strict=True):
        total = k + s - 2 if padding == "SAME" else k + s - 2 + max(k - s, 0)
        before = (k - 1 if s > k - 1 else -(-total // 2)) if padding == "SAME" else k - 1
        pairs.append((before, total - before))
    return tuple(pairs)


@pytest.fixture(params=[0, convolution_passes.CACHED], ids=["products", "stock"])
def kernel_gradient(request, monkeypatch):
    monkeypatch.setattr(convolution_passes, "CACHED", request.param)


@pytest.mark.usefixtures("kernel_gradient")
@pytest.mark.parametrize(
    ("strides", "kernel_size", "padding"),
    [((1, 1), (3, 3), ((1, 1), (0, 1))), ((1, 1), (2, 4), ((1, 2), (3, 1))), ((3, 2), (2, 4), ((1, 2), (3, 1)))],
)
@pytest.mark.parametrize(("features", "outputs"), fast_if([(1, 6), (6, 1), (5, 6)], lambda case: case == (5, 6)))
def test_the_convolution_agrees_with_lax_in_value_and_both_gradients(
    key, strides, kernel_size, padding, features, outputs
):
    keys = jax.random.split(key, 3)
    x, kernel = (
        jax.random.normal(keys[0], (2, 7, 6, features)),
        jax.random.normal(keys[1], (*kernel_size, features, outputs)),
    )
    stock, stock_gradients = jax.vjp(
        lambda x, k: lax.conv_general_dilated(x, k, strides, padding, dimension_numbers=DIMENSIONS), x, kernel
    )
    own, own_gradients = jax.vjp(jax.jit(lambda x, kernel: convolve(x, kernel, strides, padding)), x, kernel)
    np.testing.assert_allclose(own, stock, rtol=1e-5, atol=1e-5)
    cotangent = jax.random.normal(keys[2], stock.shape)
    for mine, theirs in zip(own_gradients(cotangent), stock_gradients(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_kernel_is_a_sum_over_parts_of_a_large_batch(key, monkeypatch):
    for name, value in (("CACHED", 0), ("IMAGES", 4), ("PART", 1)):
        monkeypatch.setattr(convolution_passes, name, value)
    x, y = jax.random.normal(key, (10, 7, 6, 5)), jax.random.normal(key, (10, 4, 3, 6))
    padding = ((1, 1), (0, 1))
    calls, stock = [], convolution_passes._stock_gradient
    monkeypatch.setattr(convolution_passes, "_stock_gradient", lambda x, *a: calls.append(len(x)) or stock(x, *a))
    own = jax.jit(lambda x, y: convolution_passes.kernel_gradient(x, y, (2, 2), padding, (3, 3)))(x, y)
    assert calls == [4, 2, 4, 10]  # the last one is for other platforms
    np.testing.assert_allclose(own, stock(x, y, (2, 2), padding, (3, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel_size", "strides", "padding", "size"),
    first_fast([(*geometry, [(4, 3), (1, 5)][(i + i // 2) % 2]) for i, geometry in enumerate(GEOMETRIES)], every=5),
)
def test_the_transposed_convolution_agrees_with_lax_in_value_and_both_gradients(
    key, monkeypatch, kernel_size, strides, padding, size
):
    monkeypatch.setattr(convolution_passes, "CACHED", 0 if size == (4, 3) else convolution_passes.CACHED)
    keys = jax.random.split(key, 3)
    x, kernel = (jax.random.normal(k, s) for k, s in zip(keys, [(2, *size, 3), (*kernel_size, 3, 2)], strict=False))
    pairs = explicit(kernel_size, strides, padding)
    stock, stock_gradients = jax.vjp(
        lambda x, kernel: lax.conv_transpose(x, kernel, strides, padding, dimension_numbers=DIMENSIONS), x, kernel
    )
    own, own_gradients = jax.vjp(jax.jit(lambda x, kernel: conv_transpose(x, kernel, strides, pairs)), x, kernel)
    np.testing.assert_allclose(own, stock, rtol=1e-5, atol=1e-5)
    cotangent = jax.random.normal(keys[2], stock.shape)
    for mine, theirs in zip(own_gradients(cotangent), stock_gradients(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("output_size", "kernel_size", "strides"),
    first_fast(itertools.product([(7, 8), (33, 20), (1, 1)], [(3, 3), (2, 4)], [(3, 2), (2, 2), (1, 1)]), every=7),
)
def test_padding_to_size_gives_the_adjoint_of_a_convolution_with_same_padding(key, output_size, kernel_size, strides):
    keys = jax.random.split(key, 3)
    large = jax.random.normal(keys[0], (2, *output_size, 3))
    kernel = jax.random.normal(keys[1], (*kernel_size, 3, 4))

    def convolve(large):
        return lax.conv_general_dilated(large, kernel, strides, "SAME", dimension_numbers=DIMENSIONS)

    small, transpose = jax.vjp(convolve, large)
    y = jax.random.normal(keys[2], small.shape)
    padding = padding_to_size((small.shape[1], small.shape[2]), output_size, kernel_size, strides)
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    np.testing.assert_allclose(conv_transpose(y, flipped, strides, padding), transpose(y)[0], rtol=1e-4, atol=1e-5)


def loss(kernel, x):
    return jnp.square(conv_transpose(x, kernel, (2, 2), ((1, 2), (1, 2)))).sum()


@pytest.mark.slow
def test_the_gradients_of_the_transposed_convolution_work_under_jit_vmap_and_shard_map(key):
    x, kernel = jax.random.normal(key, (4, 5, 3, 2)), jax.random.normal(key, (3, 3, 2, 3))
    expected = jax.grad(loss, argnums=(0, 1))(kernel, x)

    def check(kernel_gradient, x_gradient):
        np.testing.assert_allclose(kernel_gradient, expected[0], rtol=1e-4)
        np.testing.assert_allclose(x_gradient, expected[1], rtol=1e-4)

    check(*jax.jit(jax.grad(loss, argnums=(0, 1)))(kernel, x))
    each = jax.vmap(jax.grad(loss, argnums=(0, 1)), in_axes=(None, 0))(kernel, x[:, None])
    check(each[0].sum(axis=0), each[1][:, 0])

    def shard(kernel, x):
        kernel_gradient, x_gradient = jax.grad(loss, argnums=(0, 1))(kernel, x)
        return lax.psum(kernel_gradient, "batch"), x_gradient

    specs = PartitionSpec(), PartitionSpec("batch")
    mesh = make_layout().replicated.mesh
    check(*jax.jit(jax.shard_map(shard, mesh=mesh, in_specs=specs, out_specs=specs, check_vma=False))(kernel, x))


@pytest.mark.parametrize(
    ("channels", "normalization", "shape"),
    first_fast(itertools.product([(8, 16, 5, 4), (3,)], ["none", "group"], ODD_SHAPES), every=7),
    ids=str,
)
def test_a_conv_decoder_returns_exactly_the_input_shape(make_config, key, shape, normalization, channels):
    config = make_config(network="conv", conv__normalization=normalization, channels=channels)
    model = compiled(make_model(config, Spec(shape)))
    mean_image = jax.random.uniform(key, shape)

    def outputs(key):
        params = jax.jit(model.init)(key, sample_of(mean_image))
        posterior = model.encode(params, mean_image[None])
        return params, posterior, model.decode(params, posterior.mean)

    params, posterior, decoded = jax.eval_shape(outputs, key)
    assert posterior.mean.shape == (1, 3)
    assert decoded.shape == (1, *shape)
    assert params["decoder"]["output"]["bias"].shape == shape


@pytest.mark.parametrize("normalization", first_fast(["group", "none"]))
def test_a_conv_model_starts_at_the_mean_image(make_config, key, normalization):
    shape = (7, 5, 2)
    mean_image = jax.random.uniform(key, shape)
    model = compiled(make_model(make_config(network="conv", conv__normalization=normalization), Spec(shape)))
    params = jax.jit(model.init)(key, sample_of(mean_image))
    outputs = model.decode(params, jnp.zeros((1, 3)))
    assert model.pixel_mean is not None
    np.testing.assert_allclose(model.pixel_mean(params, outputs)[0], np.clip(mean_image, 0.001, 0.999), atol=1e-5)


def test_a_conv_encoder_agrees_with_a_convolution_in_numpy(make_config, key):
    shape = (5, 4, 2)
    model = compiled(make_model(make_config(network="conv", channels=(3,), activation="leaky_relu"), Spec(shape)))
    params = jax.jit(model.init)(key, sample_of(jnp.zeros(shape)))
    x = jax.random.normal(key, (6, *shape))
    layer, output = params["encoder"]["Conv_0"], params["encoder"]["output"]
    # 'SAME' at stride 2 pads an odd size on both sides, an even one at the end only.
    padded = np.pad(np.float64(x), [(0, 0), (1, 1), (0, 1), (0, 0)])
    hidden = np.empty((6, 3, 2, 3))
    for i, j in np.ndindex(3, 2):
        window = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        hidden[:, i, j] = np.einsum("bhwi,hwio->bo", window, np.float64(layer["kernel"])) + np.float64(layer["bias"])
    hidden = np.where(hidden > 0, hidden, 0.01 * hidden)
    mean = (hidden.reshape(6, -1) @ np.float64(output["kernel"]) + np.float64(output["bias"]))[:, :3]
    np.testing.assert_allclose(model.encode(params, x).mean, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_group_normalization_makes_features_invariant_to_the_scale_of_the_image(make_config, key):
    x = jax.random.normal(key, (6, 9, 8, 1))
    changes = {}
    for normalization in ("none", "group"):
        model = make_model(
            make_config(network="conv", conv__normalization=normalization, channels=(16,)), Spec((9, 8, 1))
        )
        params = jax.jit(model.init)(key, sample_of(jnp.zeros((9, 8, 1))))
        change = model.encode(params, 4 * x).mean - model.encode(params, x).mean
        changes[normalization] = float(np.abs(change).max())
    assert changes["group"] < 1e-3 < 0.1 < changes["none"]


@pytest.mark.slow
def test_every_parameter_of_a_conv_model_gets_a_gradient(make_config, key):
    shape = (9, 8, 1)
    model = make_model(make_config(network="conv", conv__normalization="group", channels=(8, 6)), Spec(shape))
    x = jax.random.uniform(key, (6, *shape))
    params = jax.jit(model.init)(key, sample_of(x.mean(axis=0)))

    def bound(params):
        posterior = model.encode(params, x)
        draw = model.reparameterize(params, key, posterior)
        outputs = model.decode(params, draw.z)
        kl = require_rate(model)[1].kl_terms(params, posterior, draw).sum(axis=1)
        return (model.log_likelihood(params, x, outputs) - kl).mean()

    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(bound))(params)):
        assert np.abs(leaf).max() > 0, f"{path} gets no gradient"


def test_the_parameters_of_a_conv_model_have_readable_names(make_config, key):
    model = compiled(
        make_model(
            make_config(network="conv", channels=(4, 6), conv__normalization="group", latent_dim=3), Spec((9, 8, 1))
        )
    )
    table = {
        name: shape
        for name, shape, _ in parameter_table(jax.eval_shape(model.init, key, sample_of(jnp.zeros((9, 8, 1)))))
    }
    assert table["encoder/Conv_0/kernel"] == "(3, 3, 1, 4)"
    assert table["encoder/GroupNorm_1/scale"] == "(6,)"
    assert table["decoder/Dense_0/kernel"] == f"(3, {3 * 2 * 6})"
    assert table["decoder/ConvTranspose_0/kernel"] == "(3, 3, 6, 4)"
    assert table["decoder/ConvTranspose_1/kernel"] == "(3, 3, 4, 4)"
    assert table["decoder/output/kernel"] == "(3, 3, 4, 1)"
    assert table["decoder/output/bias"] == "(9, 8, 1)"


@pytest.mark.parametrize("kernel_init", ["he", "glorot"])
def test_initial_weights_have_the_deviation_of_their_rule(make_config, key, kernel_init):
    model = compiled(
        make_model(make_config(hidden_dims=(300,), latent_dim=50, mlp__kernel_init=kernel_init), Spec((20, 20, 1)))
    )
    params = jax.jit(model.init)(key, sample_of(jnp.full((20, 20, 1), 0.5)))
    for layers in (params["encoder"], params["decoder"]):
        hidden, output = layers["Dense_0"]["kernel"], layers["output"]["kernel"]
        if kernel_init == "glorot":
            for kernel in (hidden, output):
                limit = math.sqrt(6 / sum(kernel.shape))
                assert 0.99 * limit < float(abs(kernel).max()) <= limit
                assert float(kernel.std()) == pytest.approx(limit / math.sqrt(3), rel=0.02)
        else:
            assert float(hidden.std()) == pytest.approx(math.sqrt(2 / len(hidden)), rel=0.02)
            assert float(output.std()) == pytest.approx(math.sqrt(0.01 / len(output)), rel=0.02)


def test_a_gated_layer_is_a_product_of_two_dense_ones_in_numpy(make_config, key):
    config = make_config(network="gated", hidden_dims=(5,), latent_dim=2)
    model = compiled(make_model(config, Spec((3, 2, 1))))
    params = jax.jit(model.init)(key, sample_of(np.full((3, 2, 1), 0.5)))
    x = np.asarray(jax.random.uniform(key, (4, 3, 2, 1)))
    weights = jax.tree.map(np.asarray, params["encoder"])
    hidden, output = weights["Dense_0"], weights["output"]
    value, opening = np.split(x.reshape(4, -1) @ hidden["kernel"] + hidden["bias"], [5], axis=1)
    features = value / (1 + np.exp(-opening)) @ output["kernel"] + output["bias"]
    np.testing.assert_allclose(model.encode(params, jnp.asarray(x)).mean, features[:, :2], rtol=1e-5, atol=1e-6)
