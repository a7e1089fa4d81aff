"""A trained model as files for programs without vae_jax: one file per format, one line in FORMATS.

The formats need the packages of the extra `export`, which are imported when a format is written.
"""

from collections.abc import Callable
from pathlib import Path

from vae_jax.artifacts.export import onnx, safetensors, stablehlo
from vae_jax.artifacts.export.file import Artefact
from vae_jax.runs.pair import PAIR, first_folder
from vae_jax.runs.run import Run

FORMATS: dict[str, Callable[[Run, Path], list[Artefact]]] = {
    "onnx": onnx.make,
    "safetensors": safetensors.make,
    "stablehlo": stablehlo.make,
}
"""Name -> function (run, its workdir) -> the files' contents; nothing is written. InputError if a package is missing."""


def notes(run: Run, form: str) -> list[str]:
    """Return the lines that a person must know beside the files of a format."""
    found = []
    if PAIR in run.model.traits:
        found.append(
            f"these are the networks of the first run ({first_folder(run)}); the prior that was learned of its codes is in no "
            f"file: python -m experiments.sample --workdir={run.workdir} draws from it"
        )
    if form == "onnx" and run.model.layers is not None and not run.model.layers(run.params).encoder:
        found.append(
            "encoder.onnx: left out, because z takes more than a list of layers here; --format=stablehlo has encode"
        )
    if form == "stablehlo" and run.draws_pixels:
        found.append(
            f"decode.stablehlo: left out, because likelihood={run.config.likelihood} has no pixel means; "
            f"--format=safetensors {'of the first run ' * (PAIR in run.model.traits)}has its weights"
        )
    if run.config.dtype != "float32" and form != "stablehlo":
        found.append(f"weights are float32, as in the checkpoint; the run itself computes in {run.config.dtype}")
    return found
