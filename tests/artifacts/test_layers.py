"""The exported list of layers, evaluated by a slow float64 interpreter and compared with the model."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, expit
from support.quantized import NAMES, codes_of_digits, of_digits
from support.random_run import layers_of, random_run
from support.slow import first_fast

from vae_jax.artifacts.report.codebook import codes_of
from vae_jax.models import require_rate
from vae_jax.models.networks import ACTIVATIONS, Layer
from vae_jax.models.networks.layers import SHORTEST, num_inputs
from vae_jax.models.two_layer import Latents

ACTIVATED = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": lambda x: x / 2 * (1 + erf(x / np.sqrt(2))),
    "silu": lambda x: x * expit(x),
    "softplus": lambda x: np.logaddexp(x, 0),
}
ACTIVATION_TOLERANCE = {"gelu": 1e-3}
"""The networks' gelu is the tanh approximation."""


def correlate(x, kernel, strides, padding, spread):
    """Correlate [H, W, F] with [KH, KW, F, O], tap by tap: `strides` between outputs, `spread` between the pixels of x."""
    sparse = np.zeros(((x.shape[0] - 1) * spread[0] + 1, (x.shape[1] - 1) * spread[1] + 1, x.shape[2]))
    sparse[:: spread[0], :: spread[1]] = x
    wide = np.pad(sparse, [*padding, (0, 0)])
    height, width = ((wide.shape[i] - kernel.shape[i]) // strides[i] + 1 for i in range(2))
    out = np.zeros((height, width, kernel.shape[3]))
    for i, j in itertools.product(range(kernel.shape[0]), range(kernel.shape[1])):
        out += wide[i : i + height * strides[0] : strides[0], j : j + width * strides[1] : strides[1]] @ kernel[i, j]
    return out


def compute(layer: Layer, x: np.ndarray, label: int) -> np.ndarray:
    arrays = {name: array.astype(np.float64) for name, array in layer.arrays.items()}
    match layer.kind:
        case "reshape":
            return x.reshape(layer.output)
        case "dense":
            return x.reshape(-1) @ arrays["kernel"] + arrays["bias"]
        case "conv":
            strides, padding = layer.numbers["strides"], layer.numbers["padding"]
            return correlate(x, arrays["kernel"], strides, padding, (1, 1)) + arrays.get("bias", 0)
        case "conv_transpose":
            strides, padding = layer.numbers["strides"], layer.numbers["padding"]
            return correlate(x, arrays["kernel"], (1, 1), padding, strides) + arrays.get("bias", 0)
        case "group_norm":
            grouped = x.reshape(-1, layer.numbers["groups"], x.shape[2] // layer.numbers["groups"])
            mean, variance = grouped.mean(axis=(0, 2), keepdims=True), grouped.var(axis=(0, 2), keepdims=True)
            normal = ((grouped - mean) / np.sqrt(variance + layer.numbers["epsilon"])).reshape(x.shape)
            return normal * arrays["scale"] + arrays["bias"]
        case "activation":
            return ACTIVATED[layer.numbers["name"]](x)
        case "gate":
            value, opening = np.split(x, 2)
            return value * expit(opening)
        case "upsample":
            return np.kron(x, np.ones((*layer.numbers["factors"], 1)))
        case "unit":
            return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), SHORTEST)
        case "label":
            classes = np.zeros((*x.shape[:-1], layer.numbers["classes"]))
            classes[..., label] = 1
            return np.concatenate([x, classes], axis=-1)
        case "halves":
            return np.concatenate([half.ravel() for half in np.split(x, 2, axis=-1)])
        case "nearest":
            return nearest(arrays["codebooks"], x)
        case "rounded":
            sizes = np.array(layer.numbers["levels"])
            return joined(np.round((np.tanh(x) * sizes / (sizes - 1) + 1) * (sizes - 1) / 2).clip(0, sizes - 1), sizes)
        case "signs":
            return joined(x > 0, np.array(layer.numbers["levels"]))
        case "argmax":
            return x.argmax(axis=-1)[..., None]
        case "lookup":
            return np.sum([book[x[..., r].astype(int)] for r, book in enumerate(arrays["codebooks"])], axis=0)
        case "points":
            sizes = np.array(layer.numbers["levels"])
            steps = np.unravel_index(x[..., 0].astype(int), sizes, order="F")
            return 2 * np.stack(steps, axis=-1) / (sizes - 1) - 1
        case "pixel_mean":
            assert layer.numbers["likelihood"] == "bernoulli"
            return expit(x)
    raise AssertionError(layer.kind)


def joined(steps: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    place_values = np.cumprod([1, *sizes[:-1]])
    return (steps.astype(int) * place_values).sum(axis=-1, keepdims=True)


def nearest(codebooks: np.ndarray, x: np.ndarray) -> np.ndarray:
    found = []
    for book in codebooks:
        found.append(np.square(x[..., None, :] - book).sum(axis=-1).argmin(axis=-1))
        x = x - book[found[-1]]
    return np.stack(found, axis=-1)


def through(layers: list[Layer], x: np.ndarray, label: int = -1) -> np.ndarray:
    """Return what the layers make of x, given the label if they are those of a conditional model."""
    kept: list[np.ndarray] = []
    for layer in layers:
        if layer.kind == "keep":
            kept.append(x)
        elif layer.kind == "add":
            x = x + kept.pop()
        else:
            x = compute(layer, x, label)
        assert x.shape == layer.output
    assert not kept
    return x


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dims": ()},
        {"hidden_dims": (12, 7)},
        {"network": "gated", "hidden_dims": (12, 7)},
        {"model": "two_layer", "two_layer.upper_latent_dim": 2, "two_layer.upper_hidden_dims": (5,)},
        {"model": "ae", "objective": "reconstruction"},
        {"network": "conv", "channels": (4,)},
        {"network": "conv", "channels": (16, 5, 8), "conv.normalization": "group"},
        *first_fast(
            [
                {"network": "resnet", "channels": (4, 8, 5), "downscale": 4},
                {"network": "resnet", "channels": (8, 5), "resnet.blocks": 2, "activation": "silu"},
                {"network": "conv", "channels": (4, 6, 5), "downscale": 2, "conv.normalization": "group"},
                {"network": "conv", "channels": (4, 6), "downscale": 2, "latent_grid": 2},
            ]
        ),
        *first_fast([{"hidden_dims": (4,), "activation": name} for name in ACTIVATIONS], every=3),
    ],
    ids=str,
)
def test_layers_agree_with_the_model(changes):
    run = random_run((9, 6, 2), **changes)
    layers = layers_of(run)
    rng = np.random.default_rng(1)
    tolerance = ACTIVATION_TOLERANCE.get(changes.get("activation"), 1e-5)
    x = rng.random((9, 6, 2)).astype(np.float32)
    posterior = run.encode(x[None])
    features = np.concatenate([part[0] for part in posterior])
    np.testing.assert_allclose(through(layers.encoder, x), features, rtol=tolerance, atol=tolerance)
    z = rng.normal(size=run.latents_size).astype(np.float32)
    assert num_inputs(layers.decoder) == len(z)
    np.testing.assert_allclose(through(layers.decoder, z), run.decode(z[None])[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_the_codes_of_the_model_and_decode_them(name):
    run, images = of_digits(name)
    layers = layers_of(run)
    codes = codes_of_digits(name)[:9]
    for x, expected in zip(images[:9], codes, strict=True):
        np.testing.assert_array_equal(through(layers.encoder, x).ravel(), expected)
    found = through(layers.decoder, codes[0].reshape(layers.encoder[-1].output).astype(np.float64))
    np.testing.assert_allclose(found, run.reconstruct(images[:8])[0], rtol=1e-5, atol=1e-5)
    assert num_inputs(layers.decoder) == len(codes[0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"network": "conv", "channels": (4, 6), "latent_grid": 2},
        {"model": "quantized", "network": "conv", "channels": (4, 6), "quantizer": "residual"},
        *first_fast(
            [
                {"posterior": "power_spherical"},
                {"network": "resnet", "channels": (4, 6), "latent_grid": 3, "downscale": 2},
                {"model": "two_layer"},
                {"model": "categorical"},
                {"model": "quantized"},
                {"model": "quantized", "network": "resnet", "channels": (4,), "quantizer": "fsq"},
            ]
        ),
    ],
    ids=str,
)
def test_layers_of_a_conditional_model_are_given_the_label(changes):
    run, rng, label = random_run((9, 6, 2), 4, condition="label", **changes), np.random.default_rng(1), 2
    layers, x = layers_of(run), rng.random((9, 6, 2)).astype(np.float32)
    posterior = run.encode(x[None], label)
    if run.model.num_codes:
        expected = codes_of(run, x[None], np.array([label], np.int32))[0]
        np.testing.assert_array_equal(through(layers.encoder, x, label).ravel(), expected)
        codes = rng.integers(0, run.model.num_codes, layers.encoder[-1].output)
        assert run.model.from_codes is not None
        z, given = (
            jax.jit(run.model.from_codes)(run.params, codes.reshape(1, -1).astype(np.int32)),
            codes.astype(np.float64),
        )
    else:
        own = "manifold" in run.model.traits
        features = run.latents(x[None], label)[0] if own else np.concatenate([part[0] for part in posterior])
        np.testing.assert_allclose(through(layers.encoder, x, label), features, rtol=1e-5, atol=1e-5)
        given = rng.normal(size=run.latents_size).astype(np.float32)
        z = given[None]
    assert num_inputs(layers.decoder) == given.size
    found = through(layers.decoder, given, label)
    np.testing.assert_allclose(found, run.decode(z, label)[0], rtol=1e-5, atol=1e-5)
    assert np.abs(found - through(layers.decoder, given, 3)).max() > 1e-3


def test_a_second_stochastic_layer_is_the_prior_of_the_first():
    run = random_run((5, 5, 1), model="two_layer", two_layer__upper_latent_dim=2, two_layer__upper_hidden_dims=(5,))
    upper = np.array([0.3, -1.2], np.float32)
    mean, logvar = np.split(through(layers_of(run).prior, upper).reshape(-1), 2)
    lower = np.array([0.1, 0.2, -0.4])
    expected = -0.5 * np.sum(np.log(2 * np.pi) + logvar + (lower - mean) ** 2 / np.exp(logvar))
    log_prior, _ = require_rate(run.model)
    latents = Latents(jnp.asarray(lower, jnp.float32)[None], jnp.asarray(upper)[None])
    found = float(log_prior(run.params, latents)[0]) + 0.5 * np.sum(np.log(2 * np.pi) + upper**2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
