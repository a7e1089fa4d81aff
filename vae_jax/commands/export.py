"""Export a trained model for other programs: `vae-jax export --workdir=RUN --format=stablehlo|safetensors|onnx`

stablehlo: programs that JAX runs without vae_jax, on CPU, CUDA and TPU. onnx: programs for ONNX runtimes, without JAX.
safetensors: the weights by name, with a card that describes them. Needs pip install 'vae_jax[export]'.
"""

import os
from pathlib import Path

from vae_jax.artifacts.export import FORMATS, notes
from vae_jax.commands import arguments
from vae_jax.errors import InputError, one_of
from vae_jax.runs.loading import load_run
from vae_jax.system import disk
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_argument("--format", required=True, metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    parser.add_argument("--output", type=arguments.path, metavar="DIR", help="an existing folder (RUN/export)")
    flags = parser.parse_args(argv)
    make = FORMATS[one_of("--format", flags.format, FORMATS)]
    if flags.output is not None:
        _assert_folder(flags.output)
    run, console = load_run(flags.workdir, flags.which), Console()
    artefacts = make(run, flags.workdir)
    folder = arguments.output_folder(flags, "export")
    for artefact in artefacts:
        disk.write(folder / artefact.name, artefact.content)
        console.line(f"{folder / artefact.name}  {format_bytes(len(artefact.content))}")
        console.line(f"  {artefact.line(folder)}")
    for line in notes(run, flags.format):
        console.line(line)


def _assert_folder(folder: Path) -> None:
    """Raise InputError unless the folder exists. A missing one is not created, because its name may be mistyped."""
    if not os.path.isdir(folder):  # Path.is_dir raises where a parent folder is not readable
        raise InputError(f"--output={folder}: {'a file, not a folder' if os.path.exists(folder) else 'no such folder'}")
