"""Exported files, made without a folder and read by their target programs."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from vae_jax.artifacts.export import FORMATS
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.operators import chain
from vae_jax.models.networks import Layer
from vae_jax.runs.run import Run


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed: pip install -e '.[export]'")


needs_onnx, needs_safetensors = needs("onnx", "onnxruntime"), needs("safetensors")
needs_stablehlo = needs("flatbuffers")


def made(run: Run, form: str, workdir: Path = Path("nowhere")) -> dict[str, bytes]:
    return {artefact.name: artefact.content for artefact in FORMATS[form](run, workdir)}


def computed(content: bytes, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs that ONNX Runtime computes from a file, by name."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def layered(layers: list[Layer], x: np.ndarray) -> np.ndarray:
    """Return the output for x of a file with these layers alone; whole numbers go in and come out as such."""
    graph, whole = Graph(), ("x",) * (x.dtype == np.int32) + ("y",) * (layers[-1].kind in FINDING)
    found = chain(graph, layers, "x")
    return computed(graph.model("some", {"x": x.shape[1:]}, {"y": (found, layers[-1].output)}, {}, whole), x=x)["y"]


FINDING = ("argmax", "nearest", "rounded", "signs")
"""The kinds of layers that make codes."""


def one_layer(layer: Layer, x: np.ndarray) -> np.ndarray:
    return layered([layer], x)


def assert_close(found, expected, tolerance=1e-5):
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
