"""Exported files, read by their target programs: ONNX Runtime, safetensors, and JAX without vae_jax."""

import importlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from conftest import small_config
from scipy.special import softmax
from support.exported import (
    assert_close,
    computed,
    layered,
    made,
    needs_onnx,
    needs_safetensors,
    needs_stablehlo,
    one_layer,
)
from support.models import SPEC, WITH_MEANS
from support.plain_runs import without_pictures
from support.random_run import layers_of
from support.random_run import random_run as of_random
from support.slow import first_fast

from vae_jax import config as config_lib
from vae_jax.artifacts.about import named
from vae_jax.artifacts.export import FORMATS, notes
from vae_jax.artifacts.export.codes import CODES
from vae_jax.artifacts.export.operators import ACTIVATIONS, OPERATORS, PIXEL_MEANS
from vae_jax.commands import export
from vae_jax.models import init_shapes, make_model, require_rate
from vae_jax.models.likelihoods import make_likelihood
from vae_jax.models.networks import ACTIVATIONS as NETWORK_ACTIVATIONS
from vae_jax.models.networks import Layer
from vae_jax.models.networks.layers import SHORTEST
from vae_jax.models.two_layer import Latents
from vae_jax.runs.loading import load_run
from vae_jax.runs.run import Run
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate
from vae_jax.types import Spec

BATCHES = (1, 3, 8)
NETWORKS = [
    {"hidden_dims": ()},
    {"hidden_dims": (12, 7), "likelihood": "discretized_logistic", "activation": "elu"},
    {"model": "ae", "objective": "reconstruction", "likelihood": "gaussian"},
    {
        "model": "two_layer",
        "two_layer.upper_latent_dim": 2,
        "two_layer.upper_hidden_dims": (5,),
        "likelihood": "continuous_bernoulli",
    },
    {"network": "gated", "hidden_dims": (12, 7)},
    {"network": "conv", "channels": (4,), "activation": "leaky_relu"},
    {"network": "conv", "channels": (16, 5), "conv.normalization": "group", "likelihood": "discretized_logistic"},
]
SHAPES = [(9, 6, 2), (5, 7, 1), (1, 4, 3)]


def random_run(shape: tuple[int, int, int], **changes) -> Run:
    """Make an untrained run with random parameters, drawn without compiling an initialiser."""
    config = small_config(**changes)
    model = make_model(config, Spec(shape))
    shapes = init_shapes(model, Spec(shape))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda a: 0.3 * rng.normal(size=a.shape).astype(np.float32), shapes)
    return Run(config, model, params, Spec(shape), 1)


def batch(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return eight images and eight z."""
    rng = np.random.default_rng(1)
    z = 2 * rng.normal(size=(8, run.config.latent_dim + ("manifold" in run.model.traits)))
    return rng.random((8, *run.shape), np.float32), z.astype(np.float32)


def assert_onnx_computes(run: Run, files: dict[str, bytes]) -> None:
    x, z = batch(run)
    posterior, pixels = run.encode(x)._asdict(), run.decode(z)
    for size in BATCHES:
        found = computed(files["encoder.onnx"], x=x[:size])
        assert list(found) == list(posterior)
        for name, array in found.items():
            assert_close(array, posterior[name][:size])
        assert_close(computed(files["decoder.onnx"], z=z[:size])["pixel_mean"], pixels[:size])


@needs_onnx
@pytest.mark.parametrize(("changes", "shape"), list(zip(NETWORKS, itertools.cycle(SHAPES), strict=False)), ids=str)
def test_onnx_agrees_with_the_run(changes, shape):
    run = random_run(shape, **changes)
    files = made(run, "onnx")
    assert_onnx_computes(run, files)
    assert ("prior.onnx" in files) == (run.config.model == "two_layer")


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("likelihood", WITH_MEANS)
@pytest.mark.parametrize("model", ["vae", "ae", "two_layer"])
@pytest.mark.parametrize(
    ("network", "normalization"), [("mlp", "none"), ("conv", "none"), ("conv", "group"), ("resnet", "none")]
)
def test_onnx_agrees_with_every_kind_of_run(likelihood, model, network, normalization):
    changes = {"likelihood": likelihood, "model": model, "network": network, "conv.normalization": normalization}
    changes |= {"objective": "reconstruction"} if model == "ae" else {}
    run = random_run((7, 10, 3), channels=(16, 6), activation="silu", **changes)
    assert_onnx_computes(run, made(run, "onnx"))


@needs_onnx
def test_onnx_includes_the_prior_of_two_layers():
    run = random_run((5, 5, 1), model="two_layer", two_layer__upper_latent_dim=2, two_layer__upper_hidden_dims=(5,))
    noise = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    prior = computed(made(run, "onnx")["prior.onnx"], noise=noise)
    mean, logvar = prior["mean"], prior["logvar"]
    lower = mean + np.random.default_rng(1).normal(size=mean.shape).astype(np.float32)
    log_prior, _ = require_rate(run.model)
    found = jax.jit(log_prior)(run.params, Latents(jnp.asarray(lower), jnp.asarray(noise)))
    given = np.log(2 * np.pi) + logvar + (lower - mean) ** 2 / np.exp(logvar)
    expected = -0.5 * (given.sum(axis=1) + (np.log(2 * np.pi) + noise**2).sum(axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@needs_onnx
def test_onnx_of_a_posterior_that_is_no_diagonal_gaussian_has_its_noise_free_z():
    run = random_run((9, 6, 2), posterior="power_spherical")
    files = made(run, "onnx")
    x, z = batch(run)
    found = computed(files["encoder.onnx"], x=x)
    assert list(found) == ["z"]
    assert_close(found["z"], run.latents(x))
    assert_close(computed(files["decoder.onnx"], z=z)["pixel_mean"], run.decode(z))


@needs_onnx
@pytest.mark.parametrize(
    ("network", "downscale", "places"),
    first_fast([("conv", 2, 15), ("resnet", 0, 6), ("conv", 0, 6), ("resnet", 2, 15)], 2),
)
def test_onnx_of_a_latent_grid_has_its_mean_and_logvar(network, downscale, places):
    run = random_run((9, 6, 2), network=network, channels=(8, 5), latent_grid=2, downscale=downscale)
    files = made(run, "onnx")
    x = np.random.default_rng(1).random((3, 9, 6, 2), np.float32)
    posterior = run.encode(x)._asdict()
    found = computed(files["encoder.onnx"], x=x)
    assert list(found) == ["mean", "logvar"]
    for name, array in found.items():
        assert array.shape == (3, places * 2)
        assert_close(array, posterior[name])
    z = posterior["mean"]
    assert_close(computed(files["decoder.onnx"], z=z)["pixel_mean"], run.decode(z))


@needs_onnx
def test_onnx_without_an_encoder_of_layers_has_the_decoder_alone_and_says_so():
    run = random_run((9, 6, 2), posterior="iaf")
    files = made(run, "onnx")
    _, z = batch(run)
    assert list(files) == ["decoder.onnx"]
    assert_close(computed(files["decoder.onnx"], z=z)["pixel_mean"], run.decode(z))
    (line,) = notes(run, "onnx")
    assert line.startswith("encoder.onnx: left out, because ")
    assert notes(run, "stablehlo") == notes(random_run((9, 6, 2)), "onnx") == []


@needs_onnx
def test_what_is_kept_before_a_convolution_is_added_behind_it_in_the_same_order_of_axes():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    keep, add, flat = Layer("keep", (3, 4, 5)), Layer("add", (3, 4, 5)), Layer("reshape", (60,))
    norm = {"scale": np.ones(5, np.float32), "bias": np.zeros(5, np.float32)}
    normal = Layer("group_norm", (3, 4, 5), norm, {"groups": 1, "epsilon": 0.0})
    tanh = Layer("activation", (3, 4, 5), {}, {"name": "tanh"})
    expected = (x - x.mean(axis=(1, 2, 3), keepdims=True)) / x.std(axis=(1, 2, 3), keepdims=True)
    found = layered([keep, normal, keep, tanh, add, tanh, add, flat], x)
    assert_close(found, (np.tanh(np.tanh(expected) + expected) + x).reshape(2, 60))


@needs_onnx
def test_layers_upsample_unit_and_halves_agree_with_numpy():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(np.float32)
    found = layered([Layer("upsample", (6, 12, 2), {}, {"factors": (2, 3)}), Layer("reshape", (144,))], x)
    assert_close(found, x.repeat(2, axis=1).repeat(3, axis=2).reshape(2, 144))
    z = np.concatenate([x.reshape(-1, 6), np.zeros((1, 6), np.float32)])
    length = np.maximum(np.linalg.norm(z, axis=1, keepdims=True), SHORTEST)
    assert_close(one_layer(Layer("unit", (6,)), z), z / length)
    halves = one_layer(Layer("halves", (24,)), x)
    assert_close(halves, np.concatenate([x[..., :1].reshape(2, 12), x[..., 1:].reshape(2, 12)], axis=1))


@needs_onnx
def test_the_pixel_mean_of_levels_is_that_of_their_softmax():
    logits = 3 * np.random.default_rng(0).normal(size=(2, 4, 3, 2, 17)).astype(np.float32)
    logits[0, 0, 0, 0, -1], logits[1, 0, 0, 0, 0] = 500, -500
    numbers = {"likelihood": "levels", "levels": 17}
    found = one_layer(Layer("pixel_mean", (4, 3, 2), {}, numbers), logits.reshape(2, 4, 3, 34))
    assert_close(found, softmax(logits.astype(np.float64), axis=-1) @ (np.arange(17) / 16))
    assert 0 <= found.min() <= found.max() <= 1


@needs_onnx
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_agrees_with_the_networks_at_every_input(name):
    x = np.concatenate([np.linspace(-12, 12, 4001), [-1e4, -100, -1e-6, 0, 1e-6, 100, 1e4]]).astype(np.float32)[None]
    found = one_layer(Layer("activation", x.shape[1:], {}, {"name": name}), x)
    assert_close(found, np.asarray(NETWORK_ACTIVATIONS[name](jnp.asarray(x))))


@needs_onnx
@pytest.mark.parametrize("name", [name for name in PIXEL_MEANS if name != "levels"])
def test_a_pixel_mean_agrees_with_the_likelihood_at_every_input(name):
    likelihood = make_likelihood(small_config(likelihood=name), SPEC)
    values = np.concatenate([np.linspace(-1.5, 2.5, 41), [-1e4, -90, -9, -1e-4, 0, 1e-4, 9, 90, 1e4]])
    if likelihood.outputs_per_channel == 2:
        values = np.stack(np.meshgrid(values, np.linspace(-10, 6, 17)), axis=-1)
    outputs = values.reshape(1, -1, 1, likelihood.outputs_per_channel).astype(np.float32)
    found = one_layer(Layer("pixel_mean", (outputs.shape[1], 1, 1), {}, {"likelihood": name}), outputs)
    assert likelihood.pixel_mean is not None
    assert_close(found, np.asarray(likelihood.pixel_mean({}, jnp.asarray(outputs))))
    assert found.min() >= 0
    assert found.max() <= 1


def test_every_activation_and_likelihood_has_onnx_operators():
    assert ACTIVATIONS.keys() == NETWORK_ACTIVATIONS.keys()
    assert PIXEL_MEANS.keys() == set(WITH_MEANS)


def test_every_kind_of_layer_has_onnx_operators():
    networks = ({"network": "conv", "channels": (8,), "conv__normalization": "group"}, {"network": "gated"})
    networks = (*networks, {"network": "resnet", "channels": (8,)})
    runs = [random_run((4, 4, 1), posterior="power_spherical", **own) for own in networks]
    runs.append(of_random((4, 4, 1), 3, network="conv", channels=(4,), latent_grid=1, condition="label"))
    kinds = {layer.kind for run in runs for side in layers_of(run) for layer in side}
    assert kinds | CODES.keys() == OPERATORS.keys() | {"keep", "add"}
    assert not kinds & CODES.keys()


@needs_onnx
def test_onnx_of_a_bfloat16_run_computes_in_float32():
    rounded = random_run((6, 6, 1), dtype="bfloat16")
    run = random_run((6, 6, 1))
    files = made(rounded, "onnx")
    assert_onnx_computes(run, files)
    x, _ = batch(run)
    difference = np.abs(rounded.encode(x).mean - run.encode(x).mean).max()
    assert 1e-5 < difference < 0.05


@needs_onnx
def test_onnx_files_accept_any_number_of_images_and_use_opset_17():
    onnx = importlib.import_module("onnx")
    files = made(random_run((9, 6, 2)), "onnx")
    model = onnx.load_from_string(files["encoder.onnx"])
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    (given,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["N", 9, 6, 2]
    assert {command.key: command.value for command in model.metadata_props}["image_shape"] == "[9, 6, 2]"
    assert computed(files["decoder.onnx"], z=np.zeros((0, 3), np.float32))["pixel_mean"].shape == (0, 9, 6, 2)


@needs_stablehlo
@pytest.mark.parametrize(
    "changes",
    [
        NETWORKS[2],
        pytest.param(NETWORKS[3], marks=pytest.mark.slow),
        pytest.param(NETWORKS[5] | {"dtype": "bfloat16"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_stablehlo_agrees_with_the_run_on_every_platform_for_any_number_of_images(changes):
    run = random_run((9, 6, 2), **changes)
    files = made(run, "stablehlo")
    programs = {name: jax.export.deserialize(bytearray(content)) for name, content in files.items()}
    assert {program.platforms for program in programs.values()} == {("cpu", "cuda", "tpu")}
    x, z = batch(run)
    posterior, pixels = run.encode(x)._asdict(), run.decode(z)
    tolerance = 1e-2 if "dtype" in changes else 1e-5
    found: Any = programs["encode.stablehlo"].call(x[:3])
    assert found.keys() == posterior.keys()
    for name, array in found.items():
        assert_close(array, posterior[name][:3], tolerance)
    assert_close(programs["decode.stablehlo"].call(z[:3]), pixels[:3], tolerance)


@needs_stablehlo
@pytest.mark.slow
@pytest.mark.parametrize("posterior", ["full", "iaf", "power_spherical"])
def test_stablehlo_of_a_posterior_that_is_no_diagonal_gaussian_has_its_noise_free_z(posterior, monkeypatch):
    # A check of shapes that may be broadcast does not know a number of images that is only a name.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    run = random_run((9, 6, 2), posterior=posterior)
    encoder, decoder = FORMATS["stablehlo"](run, Path("nowhere"))
    assert encoder.load.endswith(f"-> {{'z'}}, [N, {run.latents_size}]")
    x, _ = batch(run)
    found: Any = jax.export.deserialize(bytearray(encoder.content)).call(x[:3])
    assert found.keys() == {"z"}
    assert_close(found["z"], run.latents(x[:3]))
    pixels: Any = jax.export.deserialize(bytearray(decoder.content)).call(found["z"])
    assert_close(pixels, run.reconstruct(x[:3]))


@needs_safetensors
@pytest.mark.parametrize(
    "changes", [NETWORKS[1], NETWORKS[4] | {"likelihood": "gaussian", "gaussian.sigma_mode": "learned"}], ids=str
)
def test_safetensors_hold_the_parameters_bit_for_bit_and_the_card_loads_them(changes, tmp_path, monkeypatch):
    load = importlib.import_module("safetensors.numpy").load
    run = random_run((9, 6, 2), **changes)
    files = made(run, "safetensors")
    arrays = load(files["model.safetensors"])
    leaves = {jax.tree_util.keystr(p, simple=True, separator="/"): a for p, a in jax.tree.leaves_with_path(run.params)}
    assert "encoder/output/kernel" in arrays
    assert arrays.keys() == leaves.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, leaves[name], strict=True)

    card = json.loads(files["card.json"])
    config = config_lib.from_json(json.dumps(card["config"]), "card.json")
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"])
    monkeypatch.chdir(tmp_path)
    loaded = {}
    exec("\n".join(card["load"]), loaded)
    spec = Spec(tuple(card["image_shape"]))
    again = Run(config, make_model(config, spec), loaded["params"], spec, 1)
    _, z = batch(run)
    np.testing.assert_array_equal(again.decode(z), run.decode(z))
    assert card["arrays"].keys() == arrays.keys()
    assert card["metrics"] == {}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("runs") / "it's a run"  # a path that needs quoting
    with open(os.devnull, "w") as nowhere, pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        train_and_evaluate(small_config(num_epochs=1, log__tensorboard=False), workdir, Console(nowhere))
    return workdir


FRESH = """
import sys
import numpy as np
inputs = np.load(sys.argv[1])
x, z = inputs["x"], inputs["z"]
{loads}
for size in (1, 3, 8):
    found = encode(x[:size])
    mean, logvar = encoder.run(None, {{"x": x[:size]}})
    (pixel_mean,) = decoder.run(None, {{"z": z[:size]}})
    for one, name in [(found["mean"], "mean"), (mean, "mean"), (found["logvar"], "logvar"), (logvar, "logvar"),
                      (decode(z[:size]), "pixels"), (pixel_mean, "pixels")]:
        np.testing.assert_allclose(one, inputs[name][:size], rtol=1e-5, atol=1e-5)
assert sorted(arrays) == sorted(card["arrays"])
assert not {{"vae_jax", "flax"}} & set(sys.modules)
print("same")
"""


@needs_stablehlo
@needs_onnx
@needs_safetensors
def test_the_printed_instructions_load_the_files_without_vae_jax(trained, tmp_path, capsys):
    for form in FORMATS:
        export.main([f"--workdir={trained}", f"--format={form}"])
    lines = capsys.readouterr().out.splitlines()
    paths = [Path(line.rpartition("  ")[0]) for line in lines[::2]]
    assert sorted(paths) == sorted((trained / "export").iterdir())
    run = load_run(trained)
    x, z = batch(run)
    posterior = run.encode(x)
    np.savez(tmp_path / "known.npz", x=x, z=z, mean=posterior.mean, logvar=posterior.logvar, pixels=run.decode(z))
    code = FRESH.format(loads="\n".join(line.strip() for line in lines[1::2]))
    command = [sys.executable, "-c", code, str(tmp_path / "known.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("same\n", "")


@needs_safetensors
def test_the_card_has_only_the_metrics_of_its_checkpoint_and_no_local_path(trained, tmp_path):
    safe_open = importlib.import_module("safetensors").safe_open
    export.main([f"--workdir={trained}", "--format=safetensors", f"--output={tmp_path}"])
    card = json.loads((tmp_path / "card.json").read_text())
    results = json.loads((trained / "results.json").read_text())
    assert card["metrics"] == {"pixels": "grey"} | {name: value for name, value in results.items() if "/" in name}
    assert "test/elbo" in card["metrics"]
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"]) == card["config"]
    assert (metadata["what"], int(metadata["step"])) == (card["what"], load_run(trained).step)

    config = small_config(data_dir=str(tmp_path), cache_dir=str(tmp_path))
    other = Run(
        config, make_model(config, Spec((8, 8, 1))), load_run(trained).params, Spec((8, 8, 1)), card["step"] + 1
    )
    files = made(other, "safetensors", trained)
    assert json.loads(files["card.json"])["metrics"] == {}
    assert not any(str(tmp_path).encode() in content for content in files.values())
    assert named(other.params).keys() == card["arrays"].keys()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=RUN"], ["--format", "required"]),
        (
            ["--workdir=RUN", "--format=onxx"],
            ["--format=onxx", "did you mean onnx?", "choices: onnx, safetensors, stab"],
        ),
        (["--workdir=RUN", "--format=onnx", "--which=worst"], ["worst", "best", "latest"]),
        (["--workdir=nowhere", "--format=onnx"], ["--workdir=nowhere", "no such folder"]),
        (["--workdir=BARE", "--format=onnx"], ["BARE", "no checkpoint yet"]),
        (["--workdir=RUN", "--format=onnx", "--output=NONE"], ["--output=NONE", "no such folder"]),
        (["--workdir=RUN", "--format=onnx", "--output=FILE"], ["--output=FILE", "a file, not a folder"]),
        (["--workdir=RUN", "--format=onnx", "--output=FILE/x"], ["--output=FILE/x", "no such folder"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line_and_writes_nothing(trained, tmp_path, capsys, flags, words):
    places = {"RUN": trained, "BARE": tmp_path / "bare", "NONE": tmp_path / "none", "FILE": tmp_path / "file"}
    places["BARE"].mkdir()
    (places["BARE"] / "config.json").write_bytes((trained / "config.json").read_bytes())
    places["FILE"].touch()
    before = {path: sorted(path.rglob("*")) for path in (trained, tmp_path)}
    for word, path in places.items():
        flags = [flag.replace(f"={word}", f"={path}") for flag in flags]
        words = [text.replace(word, str(path)) for text in words]
    assert run_command(lambda: export.main(flags)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    for text in words:
        assert text in error
    assert {path: sorted(path.rglob("*")) for path in before} == before


@pytest.mark.parametrize(
    ("form", "module"), [("onnx", "onnx"), ("safetensors", "safetensors.numpy"), ("stablehlo", "flatbuffers")]
)
def test_the_error_for_a_missing_package_names_the_extra_that_installs_it(
    form, module, trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    flags = [f"--workdir={trained}", f"--format={form}", f"--output={tmp_path}"]
    assert run_command(lambda: export.main(flags)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --format={form}: ")
    assert "pip install 'vae_jax[export]'" in line
    assert not list(tmp_path.iterdir())
