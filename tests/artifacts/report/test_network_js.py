"""network.js in a browser, compared with JAX for every architecture."""

import jax
import numpy as np
import pytest
from support.models import OF_IMAGES, WITH_MEANS
from support.network_page import RUN_JS, SCRIPT, TOLERANCE, as_embedded, close
from support.random_run import layers_of, random_run

from vae_jax.artifacts.report.embedded_model import embed
from vae_jax.models import make_model
from vae_jax.models.networks import ACTIVATIONS, NETWORKS
from vae_jax.types import Spec

AE = {"model": "ae", "objective": "reconstruction"}
SMALL, DIGIT = (9, 6, 2), (28, 28, 1)
CASES = [
    (SMALL, {"hidden_dims": ()}, "float32"),
    (SMALL, {"hidden_dims": (12,), "activation": "tanh", "likelihood": "discretized_logistic"}, "float32"),
    (SMALL, {"hidden_dims": (12, 7), "likelihood": "gaussian"}, "float16"),
    (SMALL, {"network": "gated", "hidden_dims": (12, 7), "likelihood": "levels", "levels.number": 5}, "float32"),
    (DIGIT, {"hidden_dims": (170,)}, None),
    (SMALL, {"model": "two_layer", "two_layer.upper_latent_dim": 2, "two_layer.upper_hidden_dims": (5,)}, "float16"),
    (
        SMALL,
        {"model": "two_layer", "two_layer.upper_latent_dim": 4, "two_layer.upper_hidden_dims": (), "activation": "elu"},
        "float32",
    ),
    (SMALL, AE, "float16"),
    (SMALL, {"network": "conv", "channels": (4,), "likelihood": "continuous_bernoulli"}, "float32"),
    (
        SMALL,
        {"network": "conv", "channels": (16, 5, 8), "conv.normalization": "group", "activation": "silu"},
        "float16",
    ),
    (DIGIT, {"network": "conv", "channels": (8, 16), "conv.normalization": "group", "activation": "gelu"}, "float32"),
    ((5, 8, 3), {"network": "conv", "channels": (3, 4, 5), "activation": "leaky_relu"}, "float32"),
    ((7, 4, 3), {"network": "conv", "channels": (6, 8), "likelihood": "discretized_logistic"}, "float16"),
    ((8, 8, 1), AE | {"network": "conv", "channels": (24,), "conv.normalization": "group"}, "float32"),
    (SMALL, {"network": "resnet", "channels": (8, 5), "activation": "silu"}, "float32"),
    (SMALL, {"network": "resnet", "channels": (8, 5), "downscale": 2}, "float32"),
    (SMALL, {"network": "conv", "channels": (8, 5, 4), "downscale": 2}, "float32"),
    ((3, 3, 1), {"network": "conv", "channels": (3,), "model": "two_layer", "activation": "softplus"}, "float32"),
]


@pytest.mark.parametrize(("shape", "changes", "dtype"), CASES, ids=str)
def test_encoding_and_decoding_agree_with_jax(engine, shape, changes, dtype):
    run = random_run(shape, **changes)
    layers, rng = layers_of(run), np.random.default_rng(1)
    description = embed(layers, dtype)
    run = as_embedded(run, description["dtype"])
    pixels = rng.random(shape).astype(np.float32)
    z = 1.5 * rng.normal(size=run.config.latent_dim).astype(np.float32)
    found = engine(RUN_JS, {"description": description, "pixels": pixels.ravel().tolist(), "z": z.tolist()})
    posterior, decoded = run.encode(pixels[None]), run.decode(z[None])
    close(found["mean"], posterior.mean)
    assert (found["logvar"] is None) == (run.model.prior is None)
    if found["logvar"] is not None:
        close(found["logvar"], posterior.logvar)
    assert np.max(np.abs(decoded.ravel() - found["decoded"])) < TOLERANCE
    assert decoded.std() > 0.01  # otherwise there is nothing to compare
    assert found["facts"] == [list(shape), run.config.latent_dim, run.model.prior is not None]


def test_a_posterior_that_is_no_diagonal_gaussian_is_encoded_to_its_noise_free_z(engine):
    run = random_run(SMALL, posterior="power_spherical")
    description = embed(layers_of(run), "float32", with_prior=True)
    pixels, z = np.random.default_rng(1).random(SMALL).astype(np.float32), [0.1, 2.0, -0.5, 0.3]
    found = engine(RUN_JS, {"description": description, "pixels": pixels.ravel().tolist(), "z": z})
    close(found["mean"], run.latents(pixels[None]))
    close(found["decoded"], run.decode(np.array([z], np.float32)))
    assert (found["logvar"], found["facts"]) == (None, [list(SMALL), 4, True])


@pytest.mark.parametrize("network", ["conv", pytest.param("resnet", marks=pytest.mark.slow)])
def test_a_latent_grid_is_one_vector(engine, network):
    run = random_run(SMALL, network=network, channels=(8, 5), latent_grid=2)
    description = embed(layers_of(run), "float32", with_prior=True)
    pixels, z = np.random.default_rng(1).random(SMALL).astype(np.float32), np.linspace(-2, 2, 12).tolist()
    found = engine(RUN_JS, {"description": description, "pixels": pixels.ravel().tolist(), "z": z})
    posterior = run.encode(pixels[None])
    close(found["mean"], posterior.mean)
    close(found["logvar"], posterior.logvar)
    close(found["decoded"], run.decode(np.array([z], np.float32)))
    assert found["facts"] == [list(SMALL), 12, True]


def test_a_network_without_an_encoder_decodes_and_draws(engine):
    run = random_run(SMALL, posterior="planar")
    description = embed(layers_of(run), "float32", with_prior=True)
    found = engine(RUN_JS, {"description": description, "z": [0.1, 2.0, -0.5], "noise": [0.5, 1.0, 1.5]})
    close(found["decoded"], run.decode(np.array([[0.1, 2.0, -0.5]], np.float32)))
    assert (found["prior"], found["facts"][1:]) == ([0.5, 1.0, 1.5], [3, True])
    with pytest.raises(Exception, match="a network without an encoder"):
        engine(RUN_JS, {"description": description, "pixels": [0.0] * 108})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"network": "conv", "channels": (4,)},
        {"network": "conv", "channels": (4,), "latent_grid": 2},
        {"posterior": "power_spherical"},
        {"model": "two_layer"},
        AE,
    ],
    ids=str,
)
def test_a_conditional_network_is_given_the_class_as_in_jax(engine, changes):
    shape, label = (5, 4, 3), 2
    run = random_run(shape, 4, condition="label", **changes)
    description = embed(layers_of(run))
    assert description["latent_dim"] == run.latents_size
    folded = run.config.network == "mlp"  # the label is given once, and not beside each of the 20 pixels
    kernel = next(layer for layer in description["encoder"] if layer["arrays"])["arrays"]["kernel"]
    assert kernel["shape"][-2] == (20 * 3 + 4 if folded else 3 + 4)
    run, rng = as_embedded(run, description["dtype"]), np.random.default_rng(1)
    pixels, z = rng.random(shape).astype(np.float32), rng.normal(size=run.latents_size).astype(np.float32)
    asked = {"description": description, "pixels": pixels.ravel().tolist(), "z": z.tolist()}
    found = engine(RUN_JS, asked | {"label": label})
    close(found["mean"], run.latents(pixels[None], label))
    close(found["decoded"], run.decode(z[None], label))
    assert np.abs(np.array(found["decoded"]) - engine(RUN_JS, asked | {"label": 3})["decoded"]).max() > 0.01
    with pytest.raises(Exception, match="no such class: 4; there are 4"):
        engine(RUN_JS, asked | {"label": 4})


@pytest.mark.parametrize("changes", [{}, {"model": "two_layer", "two_layer.upper_hidden_dims": (5,)}, AE], ids=str)
def test_samples_from_the_prior_agree_with_jax(engine, changes):
    run = random_run((5, 5, 1), **changes)
    ours, normal = {"description": embed(layers_of(run))}, jax.random.normal
    key, size = jax.random.key(3), (1, run.config.latent_dim)
    if run.model.prior is None:
        assert engine(RUN_JS, ours | {"noise": [1.0] * 99})["prior"] is None
        return
    z = run.model.prior.sample(run.params, key, 1)
    drawn = [normal(key, size)]  # the same keys as the model's
    if run.config.model == "two_layer":
        keys, z = jax.random.split(key), z.lower
        drawn = [normal(keys[0], (1, run.config.two_layer.upper_latent_dim)), normal(keys[1], size)]
    close(engine(RUN_JS, ours | {"noise": np.concatenate(drawn, axis=1).ravel().tolist()})["prior"], z)


def test_an_image_of_another_size_is_refused(engine):
    ours = embed(layers_of(random_run((3, 3, 1), hidden_dims=())))
    code = "d => { try { VaeNetwork.load(d).encode(new Float32Array(8)) } catch (error) { return error.message } }"
    assert engine(code, ours) == "8 numbers given; 9 expected"


def test_a_returned_result_is_not_overwritten_by_a_later_call(engine):
    ours = embed(layers_of(random_run((3, 3, 1))))
    code = """d => {
      const network = VaeNetwork.load(d);
      const first = network.decode(new Float32Array(3)), before = first.slice();
      network.decode(new Float32Array([1, 2, 3]));
      return first.every((value, i) => value === before[i]);
    }"""
    assert engine(code, ours)


def test_network_js_runs_in_a_worker_made_from_a_blob(page):
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
        [code, {"description": embed(layers_of(run)), "z": z.tolist()}],
    )
    close(found["decoded"], run.decode(z[None]))


def test_every_registered_name_is_tested(make_config):
    made = {name: make_model(make_config(model=name), Spec((8, 8, 1), num_train=99)) for name in OF_IMAGES}
    listed = {name: None for name, model in made.items() if model.layers is not None and not model.num_codes}
    registries = {
        "network": NETWORKS,
        "model": listed,
        "likelihood": dict.fromkeys(WITH_MEANS),
        "activation": ACTIVATIONS,
    }
    for key, registry in registries.items():
        assert {changes.get(key, make_config()[key]) for _, changes, _ in CASES} == registry.keys()
