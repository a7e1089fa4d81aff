"""Evaluate a run's checkpoint on its three splits: python -m experiments.evaluate --workdir=RUN [--which=best|latest]

Prints the table train/val/test x (elbo, reconstruction, kl, mse, ...) and writes it to RUN/evaluation_WHICH.json. The
noise of an image depends on the run's seed and the image's place alone, so the same checkpoint gives the same numbers.
"""

import sys

from vae_jax.commands import arguments
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.training import measure


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdir", type=arguments.path, required=True, metavar="RUN", help="the run's directory")
    parser.add_argument("--which", choices=["best", "latest"], default="best", help="which checkpoint (best)")
    flags = parser.parse_args(argv)
    run, measured, path = measure.evaluate_run(flags.workdir, flags.which)
    console = Console()
    measure.print_measured(run, measured, flags.which, console)
    console.line(f"\nwritten to {path}")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
