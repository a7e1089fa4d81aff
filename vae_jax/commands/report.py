"""Write a run's page: `vae-jax report --workdir=RUN [--open] [--output=FILE]`

RUN/report.html is one file that opens from disk, by mail or from any web server, offline. It shows what was trained, the results,
the curves, the figures, and the latent space, which can be explored because the browser decodes it. Training writes the page at
the end; this command writes it again, for example after `visualize` or `health`, or for a run that is not complete.
"""

import webbrowser

from vae_jax import data
from vae_jax.artifacts import report
from vae_jax.commands import arguments
from vae_jax.runs.loading import load_run
from vae_jax.runs.workdir import PAGE
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_run()
    parser.add_argument("--output", type=arguments.path, metavar="FILE", help=f"the page (RUN/{PAGE})")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    flags = parser.parse_args(argv)
    run = load_run(flags.workdir, flags.which)
    path = arguments.output_page("--output", flags.output or arguments.output_folder(flags, kind="FILE") / PAGE)
    report.write_report(run, data.load(run.config), flags.workdir, path)
    Console().line(f"{path} ({format_bytes(path.stat().st_size)})")
    if flags.open and not webbrowser.open(path.resolve().as_uri()):
        Console().line("no browser was found; open the file in one")
