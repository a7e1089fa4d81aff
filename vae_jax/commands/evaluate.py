"""Evaluate a run's checkpoint on its three splits: `vae-jax evaluate --workdir=RUN [--which=best|latest]`

Prints the table train/val/test x (elbo, reconstruction, kl, mse, ...) and writes it to evaluation_WHICH.json. The
noise of an image depends only on the run's seed and the image's position, so the same checkpoint gives the same numbers.
Also prints how far the aggregate posterior of the test images is from the prior, the part of the KL that another prior can save.
"""

from vae_jax.commands import arguments
from vae_jax.runs.workdir import read_config
from vae_jax.system.console import Console
from vae_jax.training import measure


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_output()
    flags = parser.parse_args(argv)
    read_config(flags.workdir)  # no folder is created for what is no run
    run, measured, path = measure.evaluate_run(flags.workdir, flags.which, arguments.output_folder(flags), slowly=True)
    console = Console()
    measure.print_measured(run, measured, flags.which, console)
    console.line(f"\nwritten to {path}")
