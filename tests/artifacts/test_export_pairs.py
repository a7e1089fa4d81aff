"""Exported files of pairs: the networks of the first run, and a line that says that the learned prior is in none of them."""

import importlib
import importlib.util
from typing import Any

import jax
import numpy as np
import pytest
from support.exported import assert_close, computed, made, needs_onnx, needs_stablehlo
from support.pairs import pair_of
from support.random_run import random_run

from vae_jax.artifacts.export import notes
from vae_jax.errors import InputError

SHAPE = (8, 8, 1)
KINDS = {
    "indices": {"model": "quantized", "vq__codes": 5},
    "latents": {},
    "points": {"model": "ae", "objective": "reconstruction"},
}
PIXELS = {"likelihood": "pixelcnn", "pixelcnn__features": 4, "pixelcnn__layers": 1}


@needs_onnx
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_has_the_networks_of_the_first_run_and_says_so(kind, tmp_path):
    parent = random_run(SHAPE, **KINDS[kind])
    pair = pair_of(parent, tmp_path)
    files, own = made(pair, "onnx"), made(parent, "onnx")
    assert list(files) == list(own) == ["encoder.onnx", "decoder.onnx"]
    images = np.random.default_rng(0).random((3, *SHAPE), np.float32)
    found, expected = (computed(one["encoder.onnx"], x=images) for one in (files, own))
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    given = {"codes" if kind == "indices" else "z": next(iter(found.values()))}
    assert_close(computed(files["decoder.onnx"], **given)["pixel_mean"], parent.reconstruct(images))
    model = importlib.import_module("onnx").load_from_string(files["decoder.onnx"])
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["prior"] == "learned afterwards, not in this file"
    assert "step" not in facts  # that of the pair is the density's
    for form in ("onnx", "stablehlo"):
        line, *rest = notes(pair, form)
        assert line.startswith(
            "these are the networks of the first run (/parent); the prior that was learned of its codes is"
        )
        assert line.endswith(f"python -m experiments.sample --workdir={tmp_path} draws from it")
        assert rest == notes(parent, form) == []


@needs_stablehlo
def test_stablehlo_takes_no_label_if_the_prior_alone_is_given_it(tmp_path):
    parent = random_run(SHAPE, **KINDS["indices"])
    pair = pair_of(parent, tmp_path, condition="label")
    assert pair.model.given is not None
    images = np.random.default_rng(0).random((3, *SHAPE), np.float32)
    encode, decode = (jax.export.deserialize(bytearray(content)) for content in made(pair, "stablehlo").values())
    found: Any = encode.call(images)
    assert_close(decode.call(found["codes"]), parent.reconstruct(images))
    if importlib.util.find_spec("onnx"):
        model = importlib.import_module("onnx").load_from_string(made(pair, "onnx")["decoder.onnx"])
        assert [entry.name for entry in model.graph.input] == ["codes"]


def test_what_a_format_refuses_is_a_line_with_the_formats_that_a_pair_has(tmp_path):
    pair = pair_of(random_run(SHAPE), tmp_path)
    with pytest.raises(
        InputError,
        match=r"^model=density: the arrays are those of two runs, .*; choices: --format=onnx, --format=stablehlo, or the first "
        r"run, --workdir=/parent$",
    ):
        made(pair, "safetensors")
    drawn = pair_of(random_run(SHAPE, **PIXELS), tmp_path)
    with pytest.raises(InputError, match=r"; choices: --format=stablehlo, or the first run, --workdir=/parent$"):
        made(drawn, "safetensors")
    with pytest.raises(
        InputError,
        match=r"^likelihood=pixelcnn: has no list of layers for onnx; choices: stablehlo, safetensors of --workdir=/parent$",
    ):
        made(drawn, "onnx")
    with pytest.raises(InputError, match=r"for onnx; choices: stablehlo, safetensors$"):
        made(random_run(SHAPE, **PIXELS), "onnx")
