"""A trained model as files for programs that have no vae_jax: one file a format, one line in FORMATS.

The packages that formats take are those of the extra `export`; they are imported when a format is made.
"""

from collections.abc import Callable
from pathlib import Path

from vae_jax.artifacts.export import onnx, safetensors, stablehlo
from vae_jax.artifacts.export.file import Artefact
from vae_jax.runs.run import Run

__all__ = ["FORMATS", "Artefact"]

FORMATS: dict[str, Callable[[Run, Path], list[Artefact]]] = {
    "onnx": onnx.make,
    "safetensors": safetensors.make,
    "stablehlo": stablehlo.make,
}
"""(run, its workdir) -> the files; nothing is written."""
