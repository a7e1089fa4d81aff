"""Write a run's page: python -m experiments.report --workdir=RUN [--open] [--output=FILE]

RUN/report.html is one file that opens from disk, by mail or from any web server, offline: what was trained, what it reached, the
curves, the figures that are there, and the latent space to move in, decoded in the browser. A training writes it at its end; this
writes it anew, say after `visualize` or `health`, or for a run that is not complete.
"""

import sys
import webbrowser

from vae_jax import data
from vae_jax.artifacts import report
from vae_jax.commands import arguments
from vae_jax.runs.run import load_run
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdir", type=arguments.path, required=True, metavar="RUN", help="the run's directory")
    parser.add_argument("--which", choices=["best", "latest"], default="best", help="which checkpoint (best)")
    parser.add_argument("--output", type=arguments.path, metavar="FILE", help=f"where to (RUN/{report.FILE})")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    flags = parser.parse_args(argv)

    run = load_run(flags.workdir, flags.which)
    path = arguments.output_file("--output", flags.output or flags.workdir / report.FILE)
    report.write_report(run, data.load(run.config), flags.workdir, path)
    Console().line(f"{path} ({format_bytes(path.stat().st_size)})")
    if flags.open and not webbrowser.open(path.resolve().as_uri()):
        Console().line("no browser was found; open the file in one")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
