"""Results of measurements: FOLDER/results/NAME.json with machine, versions and date, and FOLDER/README.md made of them."""

import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.system import disk
from vae_jax.system.console import Console
from vae_jax.system.versions import versions

ROOT = Path(__file__).parents[1]
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "torch", "keras", "pythae")
LOCAL = ("--data_dir", "--scratch", "--envs")
"""Flags that name folders on one machine."""
HEADS = {
    "benchmarks": """# Benchmarks

The scripts in this folder write this page. Each table names the command that measured it. Ratios within one table are from one
run; seconds are of the machine that is named below the table.
""",
    "reproduce": """# Published tables, reproduced

The scripts in this folder write this page. Each table names the command that trained and measured its rows, and the differences
from the paper.
""",
}


def save(
    name: str,
    command: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    notes: Sequence[str] = (),
    picture: bytes | None = None,
    keep: bool = True,
    folder: str = "benchmarks",
) -> None:
    """Print a table, store it as JSON, and write README.md again.

    Args:
        name: the name of the JSON file.
        command: the command that measured the table.
        title: the heading.
        columns: the names of all columns, including the first.
        rows: the cells, text or numbers.
        notes: the lines below the table.
        picture: a PNG that README.md shows below the table, or None.
        keep: False for a trial, which is only printed.
        folder: a name of HEADS.
    """
    console = Console()
    cells = [(str(row[0]), [str(cell) for cell in row[1:]]) for row in rows]
    console.table(title if keep else f"trial: {title}", list(columns[1:]), cells)
    for note in notes:
        console.line(note)
    if not keep:
        return
    facts = {
        "command": command,
        "title": title,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(PACKAGES),
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "notes": list(notes),
    }
    results = ROOT / folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    if picture is not None:
        disk.write(results / f"{name}.png", picture)
    disk.write(results / f"{name}.json", json.dumps(facts, indent=1) + "\n")
    render(folder)


def command(name: str, argv: Sequence[str], local: Sequence[str] = LOCAL) -> str:
    """Return the command line of a script of benchmarks/, without the flags of LOCAL."""
    kept = [word for word in argv if word.partition("=")[0] not in local]
    return " ".join([f"python -m experiments.benchmarks.{name}", *kept])


def render(folder: str) -> None:
    """Write README.md of a folder from all its results."""
    parts = [HEADS[folder]]
    for path in sorted((ROOT / folder / "results").glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        table = [facts["columns"], ["---"] * len(facts["columns"]), *facts["rows"]]
        lines = ["| " + " | ".join(map(str, row)) + " |" for row in table]
        used = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        where = f"`{facts['command']}`\n\n{facts['machine']}; {used}; {facts['date']}."
        below = ["\n\n".join(facts["notes"]), ""] if facts["notes"] else []
        if path.with_suffix(".png").is_file():
            below = [f"![{facts['title']}](results/{path.stem}.png)", "", *below]
        parts.append("\n".join([f"## {facts['title']}", "", *lines, "", *below, where, ""]))
    disk.write(ROOT / folder / "README.md", "\n".join(parts))


def machine() -> str:
    """Describe the processor, its cores and the accelerators."""
    import jax

    cores = _cores()
    words = f"{_processor()}, {cores} {'core' if cores == 1 else 'cores'}"
    device = jax.devices()[0]
    return words if device.platform == "cpu" else f"{words}, {jax.device_count()} {device.device_kind}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def quartiles(values: Sequence[float] | np.ndarray, digits: int = 2) -> str:
    """Return the median, with quartiles in brackets, as text."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def others_seconds() -> float:
    """Return the core seconds used by processes other than this one and its children; 0 if they are not available."""
    try:
        words = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, words[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])
