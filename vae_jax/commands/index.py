"""Index a folder of runs on one page: `vae-jax index runs/ [--output=FILE]`

FOLDER/index.html is one file for a browser, offline: a table of all runs at any depth, to search and sort. It shows each run's
state (running, stopped, complete or damaged, and why), a picture, its model, data and test metrics, and a link to its report.
Only small files are read, so hundreds of runs take seconds.
"""

from vae_jax.artifacts import report
from vae_jax.commands import arguments
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("folder", type=arguments.path, metavar="FOLDER", help="the folder of the runs, such as runs/")
    parser.add_argument("--output", type=arguments.path, metavar="FILE", help="the page (FOLDER/index.html)")
    flags = parser.parse_args(argv)
    path = flags.output or flags.folder / "index.html"
    if flags.output or flags.folder.is_dir():
        arguments.output_page("--output", path)
    counts = report.write_index(flags.folder, path)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    total = sum(counts.values())
    Console().line(f"{path} ({format_bytes(path.stat().st_size)}): {total} run{'s' * (total != 1)}: {states}")
