"""Evaluate a run's checkpoint on its three splits: python -m experiments.evaluate --workdir=RUN [--which=best|latest]

Prints the table train/val/test x (elbo, reconstruction, kl, mse, ...) and writes it to RUN/evaluation_WHICH.json. The
noise of an image depends on the run's seed and the image's place alone, so the same checkpoint gives the same numbers.
"""

import json
import sys
from pathlib import Path

from vae_jax import arguments, entry, results
from vae_jax import workdir as workdir_lib
from vae_jax.checkpoint import Checkpoints
from vae_jax.console import Console
from vae_jax.prepare import prepare
from vae_jax.run import load_run


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdir", type=Path, required=True, metavar="RUN", help="the run's directory")
    parser.add_argument("--which", choices=["best", "latest"], default="best", help="which checkpoint (best)")
    flags = parser.parse_args(argv)
    config = load_run(flags.workdir, flags.which).config  # says what is missing, before any data is read
    run = prepare(config)
    with Checkpoints(flags.workdir / "checkpoints", read_only=True) as checkpoints:
        measured = results.measure(run, checkpoints, flags.which)
    console = Console()
    results.tell(run, measured, flags.which, console)
    facts = {"which": flags.which, "step": measured.step, "epoch": measured.step / run.steps_per_epoch} | measured.facts
    path = workdir_lib.make_folder("--workdir", flags.workdir) / f"evaluation_{flags.which}.json"
    workdir_lib.write(path, json.dumps(facts, indent=2) + "\n")
    console.line(f"\nwritten to {path}")


if __name__ == "__main__":
    sys.exit(entry.exit_code(lambda: main(sys.argv[1:])))
