"""The table of docs/reliability.md: runs the tests of tests/faults, sums their rows by fault, and renders the page."""

import datetime
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from experiments.benchmarks import record
from experiments.faults.promises import PROMISES
from experiments.faults.started import kill, start
from vae_jax.system import disk
from vae_jax.system.signals import StopRequest
from vae_jax.system.versions import versions

TESTS = "tests/faults"
SECONDS = 7200
"""The limit for all tests together."""
HEAD = """# Reliability

The faults that a run survives, tested with real processes, signals and damaged bytes. `python -m experiments.faults` kills
runs at random moments, runs the tests of `tests/faults/` and writes this page. "tried" and "survived" are counts, which are equal
if the promise was kept. "lost" is what a fault costs.
"""
COLUMNS = ("fault", "promise", "tried", "survived", "lost", "command")


class Row(NamedTuple):
    """The counts of a fault, or of one test of it."""

    fault: str
    tried: int
    survived: int
    lost: tuple[str, ...]
    commands: tuple[str, ...]


def run_suite(scratch: Path, stop: StopRequest, files: Sequence[str] = ()) -> list[Row]:
    """Run the tests of tests/faults and return a row for each; tests that could not run have a row too.

    Args:
        scratch: a folder for the report.
        stop: ends the tests.
        files: files of tests/faults; empty: all.

    Raises:
        signals.Stopped: `stop` was requested; no process is left.
    """
    command = f'pytest {" ".join(files) or TESTS} -m ""'
    if find_spec("pytest") is None:
        return [Row(TESTS, 1, 0, ("not run: pytest is missing; pip install -e '.[test]'",), (command,))]
    report = scratch / "report.xml"
    started = start(["-m", "pytest", *(files or (TESTS,)), "-m", "", f"--junitxml={report}"], scratch / "pytest")
    kill(started, lambda: False, stop, SECONDS)
    code, out, err = started.finish()
    rows = [_row(case) for case in ET.parse(report).iter("testcase")] if report.exists() else []
    if not rows or (code != 0 and all(row.tried == row.survived for row in rows)):
        words = (err.strip() or out.strip()).splitlines()
        rows.append(Row(TESTS, 1, 0, (f"pytest ended with exit code {code}: {' '.join(words[-1:])}",), (command,)))
    return rows


def _row(case: ET.Element) -> Row:
    """Return the row of a test. A failed test survived 0 times; a skipped test says why."""
    properties = {item.attrib["name"]: item.attrib["value"] for item in case.iter("property")}
    names = case.attrib.get("classname", "").split(".")
    file = next((name for name in names if name.startswith("test_")), "")
    command = f'pytest {TESTS}/{file}.py -m ""' if file else f'pytest {TESTS} -m ""'
    fault = properties.get("fault", f"{file or TESTS}: {case.attrib['name']}")
    tried, lost = int(properties.get("tried", "1")), (properties["lost"],) if "lost" in properties else ()
    for kind in ("failure", "error"):
        if (wrong := case.find(kind)) is not None:
            first = (wrong.attrib.get("message") or "").strip().splitlines() or [kind]
            return Row(fault, max(tried, 1), 0, (f"{case.attrib['name']}: {first[0][:200]}",), (command,))
    if (skipped := case.find("skipped")) is not None:
        return Row(fault, 0, 0, (f"not tried: {skipped.attrib.get('message')}",), (command,))
    return Row(fault, tried, int(properties.get("survived", tried)), lost, (command,))


def summed(rows: Sequence[Row]) -> list[Row]:
    """Return one row per fault, in the order of PROMISES, then other faults by name."""
    order = {fault: i for i, fault in enumerate(PROMISES)}
    faults = sorted({row.fault for row in rows}, key=lambda fault: (order.get(fault, len(order)), fault))
    return [_sum(fault, [row for row in rows if row.fault == fault]) for fault in faults]


def _sum(fault: str, rows: Sequence[Row]) -> Row:
    lost = tuple(dict.fromkeys(text for row in rows for text in row.lost))
    commands = tuple(dict.fromkeys(command for row in rows for command in row.commands))
    return Row(fault, sum(row.tried for row in rows), sum(row.survived for row in rows), lost, commands)


def cells(row: Row) -> list[str]:
    """Return the texts of a row, one for each of COLUMNS."""
    lost = "; ".join(row.lost) or "nothing"
    commands = ", ".join(f"`{command}`" for command in row.commands)
    return [row.fault, PROMISES.get(row.fault, ""), f"{row.tried:,}", f"{row.survived:,}", lost, commands]


def keep(output: Path, part: str, rows: Sequence[Row], files: Sequence[str] = ()) -> None:
    """Write one part of the table to FILE.json and render FILE.md from all parts.

    Args:
        output: FILE.md.
        part: the name of the part; an earlier part of that name is replaced.
        rows: the rows of this part.
        files: the test files that were run, whose rows are replaced; empty: all.
    """
    path = output.with_suffix(".json")
    parts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    date, found = datetime.datetime.now(datetime.UTC).date().isoformat(), versions(record.PACKAGES)
    used = ", ".join(f"{name} {number}" for name, number in found.items() if name != "python")
    others = [row for row in parts.get(part, {"rows": []})["rows"] if files and not _is_of(row["commands"], files)]
    measured = f"{record.machine()}; {used}; {date}"
    parts[part] = {"measured": measured, "rows": [*others, *(row._asdict() for row in rows)]}
    disk.write(path, json.dumps(parts, indent=1) + "\n")
    disk.write(output, render(parts))


def _is_of(commands: Sequence[str], files: Sequence[str]) -> bool:
    return any(file in command.split() for command in commands for file in files)


def render(parts: dict) -> str:
    """Return the page."""
    rows = [Row(**row) for part in parts.values() for row in part["rows"]]
    rows = [row._replace(lost=tuple(row.lost), commands=tuple(row.commands)) for row in rows]
    body = [[cell.replace("|", "\\|") for cell in cells(row)] for row in summed(rows)]
    table = [COLUMNS, ["---"] * len(COLUMNS), *body]
    measured = [f"{name}: {part['measured']}." for name, part in parts.items()]
    return "\n".join([HEAD, *("| " + " | ".join(row) + " |" for row in table), "", "\n\n".join(measured), ""])
