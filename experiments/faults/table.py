"""The table of docs/reliability.md: the tests of tests/faults run, their rows summed by fault, and rendered."""

import datetime
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from experiments import record
from experiments.faults.promises import PROMISES
from experiments.faults.started import kill, start
from vae_jax.system import disk
from vae_jax.system.signals import StopRequest

TESTS = "tests/faults"
SECONDS = 7200
"""What the tests may take together."""
HEAD = """# Reliability

The faults that a run survives, tested with real processes, signals and damaged bytes. `python -m experiments.fault_drill` kills
runs at random moments, runs the tests of `tests/faults/` and writes this page. "tried" and "survived" are counts, which are equal
if the promise was kept. "lost" is what a fault costs.
"""
COLUMNS = ("fault", "promise", "tried", "survived", "lost", "command")


class Row(NamedTuple):
    """A fault, or a part of one."""

    fault: str
    tried: int
    survived: int
    lost: tuple[str, ...]
    commands: tuple[str, ...]


def run_suite(scratch: Path, stop: StopRequest, files: Sequence[str] = ()) -> list[Row]:
    """A row for each test of tests/faults, or of these files; what could not be run has one, too.

    Args:
        scratch: a folder for the report.
        stop: ends the tests.
        files: of tests/faults; none: all.

    Raises:
        signals.Stopped: by `stop`; no process is left.
    """
    command = f'pytest {" ".join(files) or TESTS} -m ""'
    if find_spec("pytest") is None:
        return [Row(TESTS, 1, 0, ("not run: pytest is missing; pip install -e '.[test]'",), (command,))]
    report = scratch / "report.xml"
    started = start(["-m", "pytest", *(files or (TESTS,)), "-m", "", f"--junitxml={report}"], scratch / "pytest")
    kill(started, lambda: False, stop, SECONDS)
    code, told, complained = started.finish()
    rows = [_row(case) for case in ET.parse(report).iter("testcase")] if report.exists() else []
    if not rows or (code != 0 and all(row.tried == row.survived for row in rows)):
        words = (complained.strip() or told.strip()).splitlines()
        rows.append(Row(TESTS, 1, 0, (f"pytest ended with exit code {code}: {' '.join(words[-1:])}",), (command,)))
    return rows


def _row(case: ET.Element) -> Row:
    """A test's row; where it failed none survived, and a test that was left out says why."""
    told = {item.attrib["name"]: item.attrib["value"] for item in case.iter("property")}
    names = case.attrib.get("classname", "").split(".")
    file = next((name for name in names if name.startswith("test_")), "")
    command = f'pytest {TESTS}/{file}.py -m ""' if file else f'pytest {TESTS} -m ""'
    fault = told.get("fault", f"{file or TESTS}: {case.attrib['name']}")
    tried, lost = int(told.get("tried", "1")), (told["lost"],) if "lost" in told else ()
    for kind in ("failure", "error"):
        if (wrong := case.find(kind)) is not None:
            first = (wrong.attrib.get("message") or "").strip().splitlines() or [kind]
            return Row(fault, max(tried, 1), 0, (f"{case.attrib['name']}: {first[0][:200]}",), (command,))
    if (left_out := case.find("skipped")) is not None:
        return Row(fault, 0, 0, (f"not tried: {left_out.attrib.get('message')}",), (command,))
    return Row(fault, tried, int(told.get("survived", tried)), lost, (command,))


def summed(rows: Sequence[Row]) -> list[Row]:
    """One row a fault, in the order of PROMISES, others after them by name."""
    order = {fault: i for i, fault in enumerate(PROMISES)}
    faults = sorted({row.fault for row in rows}, key=lambda fault: (order.get(fault, len(order)), fault))
    return [_sum(fault, [row for row in rows if row.fault == fault]) for fault in faults]


def _sum(fault: str, rows: Sequence[Row]) -> Row:
    lost = tuple(dict.fromkeys(text for row in rows for text in row.lost))
    commands = tuple(dict.fromkeys(command for row in rows for command in row.commands))
    return Row(fault, sum(row.tried for row in rows), sum(row.survived for row in rows), lost, commands)


def cells(row: Row) -> list[str]:
    """A row's texts, one for each of COLUMNS."""
    lost = "; ".join(row.lost) or "nothing"
    commands = ", ".join(f"`{command}`" for command in row.commands)
    return [row.fault, PROMISES.get(row.fault, ""), f"{row.tried:,}", f"{row.survived:,}", lost, commands]


def keep(output: Path, part: str, rows: Sequence[Row], files: Sequence[str] = ()) -> None:
    """Put what was measured, as one part of the table, into FILE.json, and render FILE.md of all parts.

    Args:
        output: FILE.md.
        part: its name; the same part of an earlier time is replaced.
        rows: of this part.
        files: of the tests that were run; rows of others stay as they were. None: all were.
    """
    path = output.with_suffix(".json")
    parts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    date, versions = datetime.datetime.now(datetime.UTC).date().isoformat(), record.versions()
    used = ", ".join(f"{name} {number}" for name, number in versions.items())
    others = [row for row in parts.get(part, {"rows": []})["rows"] if files and not _is_of(row["commands"], files)]
    measured = f"{record.machine()}; {used}; {date}"
    parts[part] = {"measured": measured, "rows": [*others, *(row._asdict() for row in rows)]}
    disk.write(path, json.dumps(parts, indent=1) + "\n")
    disk.write(output, render(parts))


def _is_of(commands: Sequence[str], files: Sequence[str]) -> bool:
    return any(file in command.split() for command in commands for file in files)


def render(parts: dict) -> str:
    """The page."""
    rows = [Row(**row) for part in parts.values() for row in part["rows"]]
    rows = [row._replace(lost=tuple(row.lost), commands=tuple(row.commands)) for row in rows]
    table = [
        COLUMNS,
        ["---"] * len(COLUMNS),
        *([cell.replace("|", "\\|") for cell in cells(row)] for row in summed(rows)),
    ]
    where = [f"{name}: {part['measured']}." for name, part in parts.items()]
    return "\n".join([HEAD, *("| " + " | ".join(row) + " |" for row in table), "", "\n\n".join(where), ""])
