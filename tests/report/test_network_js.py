"""network.js in a browser against JAX, for every architecture that networks can make."""

import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from test_layers import random_run

import vae_jax.report
from vae_jax.layers import Layer, Layers, list_layers
from vae_jax.likelihoods import LIKELIHOODS, make_likelihood
from vae_jax.models import MODELS
from vae_jax.networks import ACTIVATIONS, NETWORKS
from vae_jax.report.weights import as_embedded, embed, embedded_dtype

SCRIPT = Path(vae_jax.report.__file__).with_name("network.js")
TOLERANCE = 1e-4
RUN_JS = """({description, pixels, z, noise}) => {
  const network = VaeNetwork.load(description), list = (numbers) => numbers && Array.from(numbers);
  const posterior = pixels ? network.encode(Float32Array.from(pixels)) : {};
  let drawn = 0;
  return {
    mean: list(posterior.mean),
    logvar: list(posterior.logvar),
    decoded: z && list(network.decode(Float32Array.from(z))),
    prior: noise && list(network.drawPrior(() => noise[drawn++])),
    facts: [network.shape, network.latentDim, network.withPrior],
  };
}"""
"""Arrays as lists, for they are what comes back from a page."""
AE = {"model": "ae", "objective": "reconstruction"}
SMALL, DIGIT = (9, 6, 2), (28, 28, 1)
CASES = [
    (SMALL, {"hidden_dims": ()}, "float32"),
    (SMALL, {"hidden_dims": (12,), "activation": "tanh", "likelihood": "discretized_logistic"}, "float32"),
    (SMALL, {"hidden_dims": (12, 7), "likelihood": "gaussian"}, "float16"),
    (DIGIT, {"hidden_dims": (170,)}, None),
    (SMALL, {"model": "two_layer", "upper_latent_dim": 2, "upper_hidden_dims": (5,)}, "float16"),
    (SMALL, {"model": "two_layer", "upper_latent_dim": 4, "upper_hidden_dims": (), "activation": "elu"}, "float32"),
    (SMALL, {"padded_latent_dim": 5}, "float32"),
    (SMALL, AE | {"padded_latent_dim": 5}, "float16"),
    (SMALL, {"network": "conv", "channels": (4,), "likelihood": "continuous_bernoulli"}, "float32"),
    (SMALL, {"network": "conv", "channels": (16, 5, 8), "normalization": "group", "activation": "silu"}, "float16"),
    (DIGIT, {"network": "conv", "channels": (8, 16), "normalization": "group", "activation": "gelu"}, "float32"),
    ((5, 8, 3), {"network": "conv", "channels": (3, 4, 5), "activation": "leaky_relu"}, "float32"),
    ((7, 4, 3), {"network": "conv", "channels": (6, 8), "likelihood": "discretized_logistic"}, "float16"),
    ((8, 8, 1), AE | {"network": "conv", "channels": (24,), "normalization": "group"}, "float32"),
    ((3, 3, 1), {"network": "conv", "channels": (3,), "model": "two_layer", "activation": "softplus"}, "float32"),
]


@pytest.fixture(scope="module")
def engine(open_page):
    """A page with the script; calls a JavaScript function with one argument."""
    with open_page() as page:
        page.add_script_tag(path=SCRIPT)
        yield page.evaluate


def close(found, expected):
    expected = np.asarray(expected).reshape(-1)
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(("shape", "changes", "dtype"), CASES, ids=str)
def test_it_encodes_and_decodes_as_jax_does(engine, shape, changes, dtype):
    run = random_run(shape, **changes)
    layers, rng = list_layers(run), np.random.default_rng(1)
    description = embed(layers, dtype)
    run = as_embedded(run, description["dtype"])
    pixels = rng.random(shape).astype(np.float32)
    z = 1.5 * rng.normal(size=run.config.latent_dim).astype(np.float32)
    found = engine(RUN_JS, {"description": description, "pixels": pixels.ravel().tolist(), "z": z.tolist()})
    posterior, decoded = run.encode(pixels[None]), run.decode(z[None])
    close(found["mean"], posterior.mean)
    assert (found["logvar"] is None) == (run.model.log_prior is None)
    if found["logvar"] is not None:
        close(found["logvar"], posterior.logvar)
    assert np.max(np.abs(decoded.ravel() - found["decoded"])) < TOLERANCE
    assert decoded.std() > 0.01  # or there was nothing to compare
    assert found["facts"] == [list(shape), run.config.latent_dim, run.model.log_prior is not None]


@pytest.mark.parametrize("changes", [{}, {"model": "two_layer", "upper_hidden_dims": (5,)}, AE], ids=str)
def test_it_draws_from_the_prior_as_jax_does(engine, changes):
    run = random_run((5, 5, 1), **changes)
    ours, normal = {"description": embed(list_layers(run))}, jax.random.normal
    key, size = jax.random.key(3), (1, run.config.latent_dim)
    if run.model.sample_prior is None:
        assert engine(RUN_JS, ours | {"noise": [1.0] * 99})["prior"] is None
        return
    z = run.model.sample_prior(run.params, key, 1)
    drawn = [normal(key, size)]  # the same keys as the model's
    if run.config.model == "two_layer":
        keys, z = jax.random.split(key), z.lower
        drawn = [normal(keys[0], (1, run.config.upper_latent_dim)), normal(keys[1], size)]
    close(engine(RUN_JS, ours | {"noise": np.concatenate(drawn, axis=1).ravel().tolist()})["prior"], z)


def test_it_reads_every_float16_exactly(engine):
    numbers = np.arange(65536, dtype=np.uint16).view(np.float16)
    kernel = np.where(np.isnan(numbers), 0, numbers).astype(np.float32).reshape(1, -1)
    # A product with 1 is exact, and 2^16 outputs of one input are one row of the kernel.
    found = engine(RUN_JS, {"description": embed(plain(kernel, (256, 256, 1)), "float16"), "z": [1.0]})["decoded"]
    np.testing.assert_array_equal(np.asarray(found, np.float32), kernel[0])


def plain(kernel, shape, *between, likelihood=None) -> Layers:
    """A decoder z -> z @ kernel -> [H, W, F] -> what is between -> pixel means, and an encoder that is not used."""
    size = kernel.shape[1]
    decoder = [Layer("dense", (size,), {"kernel": kernel, "bias": np.zeros(size, np.float32)}), Layer("reshape", shape)]
    decoder += between
    if likelihood:
        decoder.append(Layer("pixel_mean", (*shape[:2], 1), {}, {"likelihood": likelihood}))
    return Layers([Layer("reshape", (kernel.shape[0],))], decoder, [])


def decode_given(engine, given, *between, likelihood=None):
    """What the layers make of an array [H, W, F]."""
    identity = np.eye(given.size, dtype=np.float32)
    layers = plain(identity, given.shape, *between, likelihood=likelihood)
    return engine(RUN_JS, {"description": embed(layers, "float32"), "z": given.ravel().tolist()})["decoded"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_that_of_jax(engine, name):
    x = np.concatenate([np.linspace(-6, 6, 49), [-1e-3, 1e-3, -80, 80]]).astype(np.float32).reshape(1, -1, 1)
    found = decode_given(engine, x, Layer("activation", x.shape, {}, {"name": name}))
    close(found, ACTIVATIONS[name](jnp.asarray(x)))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_pixel_mean_is_that_of_jax(engine, make_config, name):
    outputs = np.array([*np.linspace(-4, 4, 17), 0.01, 0.09, 0.11, 0.5, 0.99, 1.01, -120, 120], np.float32)
    if name == "discretized_logistic":
        outputs = np.array(list(itertools.product(outputs, [-20, -8, -5, -2, 0, 4, 9])), np.float32)
    likelihood = make_likelihood(make_config(likelihood=name))
    outputs = outputs.reshape(1, -1, likelihood.outputs_per_channel)
    found = decode_given(engine, outputs, likelihood=name)
    close(found, likelihood.pixel_mean({}, jnp.asarray(outputs[None])))


@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
@pytest.mark.parametrize("bias", [None, (3,), "image"], ids=str)
@pytest.mark.parametrize("padding", [((0, 2), (1, 0)), ((1, 1), (2, 3))], ids=str)
@pytest.mark.parametrize("strides", [(1, 3), (2, 1)], ids=str)
def test_a_convolution_is_that_of_lax(engine, kind, bias, padding, strides):
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


@pytest.mark.parametrize("layer", ["kind", "activation", "likelihood"])
def test_what_it_does_not_know_it_names(engine, layer):
    unknown = {
        "kind": Layer("sorcery", (1, 1, 1)),
        "activation": Layer("activation", (1, 1, 1), {}, {"name": "sorcery"}),
        "likelihood": Layer("pixel_mean", (1, 1, 1), {}, {"likelihood": "sorcery"}),
    }
    ours = embed(plain(np.eye(1, dtype=np.float32), (1, 1, 1), unknown[layer]))
    message = engine("d => { try { VaeNetwork.load(d) } catch (error) { return error.message } }", ours)
    assert layer in message
    assert "sorcery" in message


def test_it_refuses_an_image_of_another_size(engine):
    ours = embed(list_layers(random_run((3, 3, 1), hidden_dims=())))
    code = "d => { try { VaeNetwork.load(d).encode(new Float32Array(8)) } catch (error) { return error.message } }"
    assert engine(code, ours) == "8 numbers given; 9 expected"


def test_results_are_the_callers_own(engine):
    ours = embed(list_layers(random_run((3, 3, 1))))
    code = """d => {
      const network = VaeNetwork.load(d);
      const first = network.decode(new Float32Array(3)), before = first.slice();
      network.decode(new Float32Array([1, 2, 3]));
      return first.every((value, i) => value === before[i]);
    }"""
    assert engine(code, ours)


def test_it_runs_in_a_worker_made_from_a_blob(page):
    run = random_run(SMALL)
    code = f"{SCRIPT.read_text()}; onmessage = ({{data}}) => postMessage(({RUN_JS})(data));"
    z = np.linspace(-1, 1, run.config.latent_dim).astype(np.float32)
    found = page.evaluate(
        """([code, given]) => new Promise((resolve, reject) => {
          const worker = new Worker(URL.createObjectURL(new Blob([code])));
          worker.onmessage = ({data}) => resolve(data);
          worker.onerror = reject;
          worker.postMessage(given);
        })""",
        [code, {"description": embed(list_layers(run)), "z": z.tolist()}],
    )
    close(found["decoded"], run.decode(z[None]))


def test_weights_are_rounded_only_where_they_are_many_and_fit():
    few, many = np.zeros((10, 10), np.float32), np.zeros((500, 600), np.float32)
    assert embedded_dtype(plain(few, (1, 1, 10))) == "float32"
    assert embedded_dtype(plain(many, (1, 1, 600))) == "float16"
    for value in (7e4, -7e4, np.nan):
        many[3, 4] = value
        assert embedded_dtype(plain(many, (1, 1, 600))) == "float32"


def test_a_description_is_json():
    ours = embed(list_layers(random_run(SMALL, network="conv", channels=(3, 8), normalization="group")))
    assert json.loads(json.dumps(ours)).keys() == ours.keys()


def test_every_name_of_the_registries_is_a_case(make_config):
    registries = {"network": NETWORKS, "model": MODELS, "likelihood": LIKELIHOODS, "activation": ACTIVATIONS}
    for key, registry in registries.items():
        assert {changes.get(key, make_config()[key]) for _, changes, _ in CASES} == registry.keys()
