"""Exported files of models with discrete codes: the codes are those of the run, each of them."""

import importlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support.exported import (
    FINDING,
    assert_close,
    computed,
    made,
    needs_onnx,
    needs_safetensors,
    needs_stablehlo,
    one_layer,
)
from support.quantized import NAMES, QUANTIZED, codes_of_digits, of_digits
from support.random_run import layers_of, random_run
from support.slow import first_fast

from vae_jax import config as config_lib
from vae_jax.artifacts.export import FORMATS
from vae_jax.artifacts.export.codes import CODES
from vae_jax.artifacts.report.codebook import codes_of
from vae_jax.models import make_model
from vae_jax.models.networks import Layer
from vae_jax.runs.run import Run
from vae_jax.types import Spec


@needs_onnx
@pytest.mark.parametrize("name", NAMES)
def test_onnx_has_the_codes_of_every_test_image_and_decodes_them_as_the_run(name):
    run, images = of_digits(name)
    files = made(run, "onnx")
    known = codes_of_digits(name)
    found = computed(files["encoder.onnx"], x=images)["codes"]
    assert (found.dtype, found.shape) == (np.int32, (len(images), *run.model.grid))
    np.testing.assert_array_equal(found.reshape(len(images), -1), known)
    assert len(np.unique(known)) > 3  # otherwise there is nothing to compare
    pixels = run.reconstruct(images[:8])
    for size in (1, 8):
        assert_close(computed(files["decoder.onnx"], codes=found[:size])["pixel_mean"], pixels[:size])
    drawn = np.random.default_rng(0).integers(0, run.model.num_codes, found[:8].shape, np.int32)
    assert run.model.from_codes is not None
    z = jax.jit(run.model.from_codes)(run.params, drawn.reshape(8, -1))
    assert_close(computed(files["decoder.onnx"], codes=drawn)["pixel_mean"], run.decode(z))


@needs_onnx
def test_onnx_of_codes_names_their_number_and_refuses_a_code_that_does_not_exist():
    onnx = importlib.import_module("onnx")
    files = made(random_run((9, 6, 2), model="quantized", network="conv", channels=(4,), vq__codes=5), "onnx")
    model = onnx.load_from_string(files["decoder.onnx"])
    assert {prop.key: prop.value for prop in model.metadata_props}["num_codes"] == "5"
    with pytest.raises(Exception, match="out of data bounds"):
        computed(files["decoder.onnx"], codes=np.full((1, 5, 3), 5, np.int32))


@needs_onnx
def test_the_nearest_of_each_codebook_is_that_of_numpy_and_the_first_of_equal_ones():
    rng = np.random.default_rng(0)
    codebooks, x = rng.normal(size=(2, 6, 3)).astype(np.float32) + 40, rng.normal(size=(50, 2, 2, 3)).astype(np.float32)
    codebooks[1] -= 40
    codebooks[:, 4] = codebooks[:, 2]
    left, expected = x.astype(np.float64) + 40, []
    for codebook in codebooks.astype(np.float64):
        expected.append(np.square(left[..., None, :] - codebook).sum(axis=-1).argmin(axis=-1))
        left -= codebook[expected[-1]]
    assert 2 in expected[0]
    assert 2 in expected[1]
    found = one_layer(Layer("nearest", (2, 2, 2), {"codebooks": codebooks}), x + 40)
    np.testing.assert_array_equal(found, np.stack(expected, axis=-1))
    sums = sum(codebook[codes] for codebook, codes in zip(codebooks, expected, strict=True))
    assert_close(one_layer(Layer("lookup", (2, 2, 3), {"codebooks": codebooks}), found), sums)


@needs_onnx
def test_the_points_of_all_codes_are_rounded_to_these_codes():
    levels = (3, 2, 4)
    codes = np.arange(24, dtype=np.int32).reshape(4, 2, 3, 1)
    points = one_layer(Layer("points", (2, 3, 3), {}, {"levels": levels}), codes)
    sizes, steps = np.array(levels), np.stack(np.unravel_index(codes[..., 0], levels, order="F"), axis=-1)
    np.testing.assert_allclose(points, 2 * steps / (sizes - 1) - 1, atol=1e-6)
    # The arctanh of L / (L - 1) times less than 1: the inverse of the bound.
    before = np.arctanh(points * (sizes - 1) / sizes).astype(np.float32)
    np.testing.assert_array_equal(one_layer(Layer("rounded", (2, 3, 1), {}, {"levels": levels}), before), codes)
    np.testing.assert_array_equal(
        one_layer(Layer("rounded", (2, 3, 1), {}, {"levels": levels}), 1e9 * points)[-1, 1, 2], 23
    )


@needs_onnx
def test_a_sign_is_a_bit_and_zero_is_none():
    x = np.array([[-1, 2, 0.1], [1e-30, -0.0, 0.0]], np.float32).reshape(2, 1, 1, 3)
    found = one_layer(Layer("signs", (1, 1, 1), {}, {"levels": (2, 2, 2)}), x)
    assert found.ravel().tolist() == [6, 1]
    x = np.array([[3, 7, 7], [0, 0, 0]], np.float32).reshape(2, 1, 1, 3)
    assert one_layer(Layer("argmax", (1, 1, 1)), x).ravel().tolist() == [1, 0]


@pytest.mark.slow
def test_every_layer_of_codes_is_that_of_a_model():
    runs = [random_run((8, 8, 1), **changes) for changes in QUANTIZED.values()]
    kinds = {layer.kind for run in runs for side in layers_of(run) for layer in side}
    assert CODES.keys() <= kinds
    assert {run.model.layers(run.params).encoder[-1].kind for run in runs if run.model.layers} == set(FINDING)


@needs_stablehlo
@pytest.mark.parametrize("name", first_fast(["residual", *(name for name in QUANTIZED if name != "residual")]))
def test_stablehlo_has_the_codes_of_the_run_for_any_number_of_images(name):
    run, images = of_digits(name)
    files = made(run, "stablehlo")
    encode, decode = (jax.export.deserialize(bytearray(files[f"{part}.stablehlo"])) for part in ("encode", "decode"))
    found: Any = encode.call(images)
    assert list(found) == ["codes"]
    codes = np.asarray(found["codes"])
    assert (codes.dtype, codes.shape) == (np.int32, (len(images), *run.model.grid))
    np.testing.assert_array_equal(codes.reshape(len(images), -1), codes_of_digits(name))
    assert_close(decode.call(codes[:8]), run.reconstruct(images[:8]))
    most = run.model.num_codes - 1
    assert_close(decode.call(codes[:2] * 0 + most + 9), decode.call(codes[:2] * 0 + most))


@needs_safetensors
@pytest.mark.parametrize("name", ["fsq", pytest.param("residual", marks=pytest.mark.slow)])
def test_the_card_of_safetensors_loads_a_quantizer_with_arrays_or_without(name, tmp_path, monkeypatch):
    run, images = of_digits(name)
    files = made(run, "safetensors")
    card = json.loads(files["card.json"])
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"])
    monkeypatch.chdir(tmp_path)
    loaded: dict[str, Any] = {}
    exec("\n".join(card["load"]), loaded)
    spec = Spec(tuple(card["image_shape"]))
    config = config_lib.from_json(json.dumps(card["config"]), "card.json")
    again = Run(config, make_model(config, spec), loaded["params"], spec, 1)
    np.testing.assert_array_equal(codes_of(again, images[:20], None), codes_of(run, images[:20], None))


@needs_onnx
@pytest.mark.parametrize(
    "changes",
    [
        {"model": "quantized", "quantizer": "residual", "residual__codes": 5},
        {"model": "quantized", "network": "conv", "channels": (4, 6), "quantizer": "fsq"},
        {"model": "categorical", "categorical__classes": 4},
        {"network": "conv", "channels": (4,), "latent_grid": 2},
        {"posterior": "power_spherical"},
    ],
    ids=str,
)
def test_onnx_of_a_conditional_model_takes_the_label(changes):
    run, rng = random_run((8, 8, 1), 3, condition="label", **changes), np.random.default_rng(1)
    files, images, labels = made(run, "onnx"), rng.random((4, 8, 8, 1), np.float32), np.array([0, 2, 1, 1], np.int32)
    one_hot = np.eye(3, dtype=np.float32)[labels]
    found = computed(files["encoder.onnx"], x=images, label=one_hot)
    decoder = files["decoder.onnx"]
    if run.model.from_codes is None:
        z = run.latents(images, labels)
        assert_close(found.get("mean", found.get("z")), z)
        given = {"z": z}
    else:
        codes = codes_of(run, images, labels)
        np.testing.assert_array_equal(found["codes"].reshape(codes.shape), codes)
        given, z = {"codes": found["codes"]}, jax.jit(run.model.from_codes)(run.params, codes)
    assert_close(computed(decoder, **given, label=one_hot)["pixel_mean"], run.decode(z, labels))
    other = computed(decoder, **given, label=np.roll(one_hot, 1, axis=1))["pixel_mean"]
    assert (np.abs(other - run.decode(z, labels)).max(axis=(1, 2, 3)) > 1e-3).all()
    model = importlib.import_module("onnx").load_from_string(decoder)
    assert [entry.name for entry in model.graph.input] == [*given, "label"]


@needs_onnx
def test_the_line_of_a_conditional_file_names_the_types_of_its_inputs():
    run = random_run((8, 8, 1), 3, condition="label", model="quantized", network="conv", channels=(4, 6))
    lines = [artefact.load for artefact in FORMATS["onnx"](run, Path("nowhere"))]
    assert lines[0].endswith("float32 [N, 8, 8, 1] and float32 [N, 3] -> [N, 2, 2]")
    assert lines[1].endswith("int32 [N, 2, 2] and float32 [N, 3] -> [N, 8, 8, 1]")
