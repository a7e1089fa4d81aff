"""A trained model as files for programs without vae_jax: one file per format, one line in FORMATS.

The formats need the packages of the extra `export`, which are imported when a format is written.
"""

from collections.abc import Callable
from pathlib import Path

from vae_jax.artifacts.export import onnx, safetensors, stablehlo
from vae_jax.artifacts.export.file import Artefact
from vae_jax.runs.run import Run

FORMATS: dict[str, Callable[[Run, Path], list[Artefact]]] = {
    "onnx": onnx.make,
    "safetensors": safetensors.make,
    "stablehlo": stablehlo.make,
}
"""Name -> function (run, its workdir) -> the files' contents; nothing is written. InputError if a package is missing."""
