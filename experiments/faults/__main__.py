"""Break runs on purpose: `python -m experiments.faults [--kills=100] [--output=docs/reliability.md] [--only=disk,lock]`

Kills a run of 30 epochs at random moments, also during start-up, saves and figures, resumes it each time, and compares the
result with an untouched run, bit for bit. Then runs the tests of tests/faults/ (some minutes), only those that --only names, or
none (--no_suite). Prints a table: each fault, the promise, how often it was tried and survived, what was lost. --output keeps the
table as a page and as FILE.json; rows that are not measured this time stay. The exit code is 1 if anything did not survive.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from experiments.faults.kills import Drill, drill
from experiments.faults.promises import KILLS
from experiments.faults.started import ROOT
from experiments.faults.table import TESTS, Row, cells, keep, run_suite, summed
from vae_jax.commands import arguments
from vae_jax.errors import InputError, one_of
from vae_jax.system import signals
from vae_jax.system.command import run_command
from vae_jax.system.console import Console


def main(argv: list[str]) -> int:
    """Run the drill; the exit code is 1 if anything did not survive."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--kills", type=_whole, default=100, help="the number of kills; 0: only the tests (100)")
    parser.add_argument("--output", type=arguments.path, metavar="FILE.md", help="the page that keeps the table")
    tests = parser.add_mutually_exclusive_group()
    tests.add_argument("--no_suite", action="store_true", help="skip the tests")
    tests.add_argument("--only", default="", metavar="NAME,NAME", help="run only tests/faults/test_NAME.py")
    flags = parser.parse_args(argv)
    if flags.output is not None and (flags.output.suffix != ".md" or not flags.output.parent.is_dir()):
        raise InputError(f"--output={flags.output}: expected a name like docs/reliability.md in an existing folder")
    files = tuple(_file(name) for name in flags.only.split(",") if name)
    console, parts = Console(), {}
    with signals.deferred() as stop, tempfile.TemporaryDirectory(prefix="vae_jax-drill-") as scratch:
        if flags.kills:
            drilled = drill(Path(scratch), flags.kills, console.line, stop)
            parts["kills"] = [_kills_row(drilled, f"python -m experiments.faults --kills={flags.kills}")]
        if not flags.no_suite:
            console.line(f"the tests of {' '.join(files) or TESTS}")
            parts["tests"] = run_suite(Path(scratch), stop, files)
    rows = summed([row for part in parts.values() for row in part])
    for row in rows:
        fault, _, tried, survived, lost, _ = cells(row)
        console.line(f"{survived} of {tried}  {fault}; lost: {lost}")
    output: Path | None = flags.output
    if output is not None:
        for name, part in parts.items():
            keep(output, name, part, files)
        console.line(f"written to {output} and {output.with_suffix('.json').name}")
    return int(any(row.survived != row.tried for row in rows))


def _kills_row(done: Drill, command: str) -> Row:
    lost = f"at most {done.lost} epochs, trained again (a save every 2)"
    counts = f"({done.in_saves} of the kills inside a save; {done.runs} {'run' if done.runs == 1 else 'runs'})"
    return Row(KILLS, max(done.kills, 1), done.survived, (lost, counts, *done.problems), (command,))


def _file(name: str) -> str:
    """Return the test file of a name of --only."""
    names = [path.stem.removeprefix("test_") for path in sorted((ROOT / TESTS).glob("test_*.py"))]
    return f"{TESTS}/test_{one_of('--only', name, names)}.py"


def _whole(text: str) -> int:
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number, at least 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
