"""Compare runs on one page: `vae-jax compare --workdirs=A,B,... [--output=compare.html]`

One HTML file for a browser, offline: a table with the config keys that differ and the test metrics, the runs' curves in the same
charts, and the same test images as each run reconstructs them.
"""

from pathlib import Path

from vae_jax.artifacts import report
from vae_jax.commands import arguments
from vae_jax.errors import InputError
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_bytes


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdirs", required=True, metavar="RUN,RUN,...", help="the directories of the runs")
    page = Path("compare.html")
    parser.add_argument("--output", type=arguments.path, default=page, metavar="FILE", help=f"the page ({page})")
    flags = parser.parse_args(argv)
    workdirs = [arguments.path(part) for part in flags.workdirs.split(",") if part]
    if len(workdirs) < 2:
        raise InputError(f"--workdirs={flags.workdirs}: name at least two runs, separated by commas")
    path = arguments.output_page("--output", flags.output)
    report.write_comparison(workdirs, path)
    Console().line(f"{path} ({format_bytes(path.stat().st_size)})")
