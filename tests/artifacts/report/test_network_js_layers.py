"""Each kind of layer that network.js supports, in a decoder made by hand."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy.special import softmax
from support.models import SPEC, WITH_MEANS
from support.network_page import RUN_JS, close, plain

from vae_jax.artifacts.report.embedded_model import embed
from vae_jax.models.likelihoods import make_likelihood
from vae_jax.models.networks import ACTIVATIONS, Layer


def test_every_float16_is_read_exactly(engine):
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    kernel = np.where(np.isnan(numbers), 0, numbers).astype(np.float32).reshape(1, -1)
    # A product with 1 is exact, and 2^16 outputs of one input are one row of the kernel.
    found = engine(RUN_JS, {"description": embed(plain(kernel, (256, 256, 1)), "float16"), "z": [1.0]})["decoded"]
    np.testing.assert_array_equal(np.asarray(found, np.float32), kernel[0])


def decode_given(engine, given, *between, **end):
    """Return the layers' output for an array [H, W, F]."""
    identity = np.eye(given.size, dtype=np.float32)
    layers = plain(identity, given.shape, *between, **end)
    return engine(RUN_JS, {"description": embed(layers, "float32"), "z": given.ravel().tolist()})["decoded"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_agrees_with_jax(engine, name):
    x = np.concatenate([np.linspace(-6, 6, 49), [-1e-3, 1e-3, -80, 80]]).astype(np.float32).reshape(1, -1, 1)
    found = decode_given(engine, x, Layer("activation", x.shape, {}, {"name": name}))
    close(found, ACTIVATIONS[name](jnp.asarray(x)))


@pytest.mark.parametrize("name", [name for name in WITH_MEANS if name != "levels"])
def test_every_other_pixel_mean_agrees_with_jax(engine, make_config, name):
    outputs = np.array([*np.linspace(-4, 4, 17), 0.01, 0.09, 0.11, 0.5, 0.99, 1.01, -120, 120], np.float32)
    if name == "discretized_logistic":
        outputs = np.array(list(itertools.product(outputs, [-20, -8, -5, -2, 0, 4, 9])), np.float32)
    likelihood = make_likelihood(make_config(likelihood=name), SPEC)
    outputs = outputs.reshape(1, -1, likelihood.outputs_per_channel)
    found = decode_given(engine, outputs, numbers={"likelihood": name})
    assert likelihood.pixel_mean is not None
    close(found, likelihood.pixel_mean({}, jnp.asarray(outputs[None])))


@pytest.mark.parametrize(("levels", "channels"), [(2, 1), (17, 3)])
def test_the_pixel_mean_of_levels_is_that_of_their_softmax(engine, levels, channels):
    logits = 3 * np.random.default_rng(0).normal(size=(2, 3, channels, levels)).astype(np.float32)
    logits[0, 0, 0, 0], logits[0, 1, 0, -1] = -500, 500
    given = logits.reshape(2, 3, channels * levels)
    numbers = {"likelihood": "levels", "levels": levels}
    found = decode_given(engine, given, numbers=numbers, channels=channels)
    close(found, softmax(logits.astype(np.float64), axis=-1) @ (np.arange(levels) / (levels - 1)))


@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
@pytest.mark.parametrize("bias", [None, (3,), "image"], ids=str)
@pytest.mark.parametrize("padding", [((0, 2), (1, 0)), ((1, 1), (2, 3))], ids=str)
@pytest.mark.parametrize("strides", [(1, 3), (2, 1)], ids=str)
def test_a_convolution_agrees_with_lax(engine, kind, bias, padding, strides):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(5, 4, 2)).astype(np.float32), rng.normal(size=(2, 3, 2, 3)).astype(np.float32)
    numbers = ("NHWC", "HWIO", "NHWC")
    compute = lax.conv_general_dilated if kind == "conv" else lax.conv_transpose
    y = np.asarray(compute(jnp.asarray(x[None]), jnp.asarray(kernel), strides, padding, dimension_numbers=numbers))[0]
    arrays = {"kernel": kernel}
    if bias:
        arrays["bias"] = rng.normal(size=y.shape if bias == "image" else bias).astype(np.float32)
        y = y + np.broadcast_to(arrays["bias"], y.shape)
    layer = Layer(kind, y.shape, arrays, {"strides": strides, "padding": padding})
    close(decode_given(engine, x, layer), y)


def test_kept_numbers_are_added_last_in_first_out_whatever_becomes_of_x_between(engine):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    keep, add = Layer("keep", x.shape), Layer("add", x.shape)
    tanh = Layer("activation", x.shape, {}, {"name": "tanh"})
    layers = [keep, tanh, keep, tanh, add, tanh, add]
    inner = np.tanh(x)
    close(decode_given(engine, x, *layers), np.tanh(np.tanh(inner) + inner) + x)
    # The stack is empty again, so a second evaluation gives the same.
    code = "d => { const n = VaeNetwork.load(d), z = new Float32Array(24).fill(0.5); n.decode(z); return [...n.decode(z)]; }"
    inner = np.tanh(np.full(x.shape, 0.5))
    found = engine(code, embed(plain(np.eye(24, dtype=np.float32), x.shape, *layers), "float32"))
    close(found, np.tanh(np.tanh(inner) + inner) + 0.5)


@pytest.mark.parametrize("factors", [(2, 2), (1, 3)])
def test_pixels_are_repeated(engine, factors):
    x = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    expected = np.kron(x, np.ones((*factors, 1)))
    close(decode_given(engine, x, Layer("upsample", expected.shape, {}, {"factors": factors})), expected)


def test_numbers_are_divided_by_their_length(engine):
    z, unit = np.array([0.3, -4.0, 12.0]), Layer("unit", (3,))
    layers = plain(np.eye(3, dtype=np.float32), (1, 1, 3))
    layers = layers._replace(encoder=[], decoder=[unit, *layers.decoder])
    description = embed(layers)
    assert (description["latent_dim"], description["with_prior"], description["with_logvar"]) == (3, False, False)
    for point, length in ((z, np.linalg.norm(z)), (0 * z, 1)):
        close(engine(RUN_JS, {"description": description, "z": point.tolist()})["decoded"], point / length)


def test_the_first_halves_of_all_vectors_are_before_the_second_halves(engine):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    halves = [Layer("halves", (24,)), Layer("reshape", (2, 3, 4))]
    close(decode_given(engine, x, *halves), np.concatenate([x[..., :2].ravel(), x[..., 2:].ravel()]))


def test_each_vector_has_the_class_of_the_call_behind_it(engine):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    layers = plain(np.eye(24, dtype=np.float32), x.shape, Layer("label", (2, 3, 7), {}, {"classes": 3}))
    asked = {"description": embed(layers), "z": x.ravel().tolist()}
    for label in (0, 2, 1):
        behind = np.broadcast_to(np.eye(3)[label], (2, 3, 3))
        close(engine(RUN_JS, asked | {"label": label})["decoded"], np.concatenate([x, behind], axis=-1))


@pytest.mark.parametrize("layer", ["kind", "activation", "likelihood"])
def test_an_unknown_layer_is_named_in_the_error(engine, layer):
    unknown = {
        "kind": Layer("sorcery", (1, 1, 1)),
        "activation": Layer("activation", (1, 1, 1), {}, {"name": "sorcery"}),
        "likelihood": Layer("pixel_mean", (1, 1, 1), {}, {"likelihood": "sorcery"}),
    }
    ours = embed(plain(np.eye(1, dtype=np.float32), (1, 1, 1), unknown[layer]))
    message = engine("d => { try { VaeNetwork.load(d) } catch (error) { return error.message } }", ours)
    assert layer in message
    assert "sorcery" in message
