"""The page of a folder of runs: a table to search and sort, with the state of each run and a link to its report."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vae_jax.artifacts.report import facts, folder_of_runs, measured, naming, run_row
from vae_jax.artifacts.report.page import address, render
from vae_jax.artifacts.report.thumbnail import thumbnail
from vae_jax.errors import InputError, printable
from vae_jax.runs import workdir as workdir_lib
from vae_jax.system import disk
from vae_jax.system.command import train_command
from vae_jax.system.formatting import format_value

SCRIPTS = ("table.js", "index.js")
STATES = ("running", "stopped", "complete", "damaged")
IN_COLUMNS = ("dataset", "likelihood", "condition", "num_epochs")
"""The keys that a row shows elsewhere than in its list of changes."""
THREADS = 4
"""The threads that read runs: a file system answers several at once."""


def write_index(root: Path, path: Path) -> dict[str, int]:
    """Write the index of the runs under root to `path`; return the number of runs of each state.

    Raises:
        InputError: root is not a folder, or there is no run in it.
        TrainingError: the disk is full.
    """
    folders, others = folder_of_runs.find(root)
    if not folders:
        marks = ", ".join(folder_of_runs.MARKS)
        raise InputError(
            f"{root}: no run in it, so there is nothing to index: no folder in it holds one of {marks}; choices: another "
            f"folder, or train a run first: {train_command()} --config=vae"
        )
    with ThreadPoolExecutor(THREADS) as threads:
        runs = list(threads.map(run_row.read, folders))
        pictures = list(threads.map(thumbnail, folders))
    rows = [_row(run, picture, root, path.parent) for run, picture in zip(runs, pictures, strict=True)]
    rows.sort(key=lambda row: row["moment"], reverse=True)
    counts = Counter(run.state for run in runs)
    text = render(
        "index.html.j2",
        SCRIPTS,
        {},
        title="Runs",
        name=printable(str(root.resolve())),
        rows=rows,
        states=[(state, counts[state]) for state in STATES if counts[state]],
        units={name: measured.unit(name).partition(",")[0] for name in run_row.METRICS},
        others=[_name(other, root) for other in others],
    )
    disk.write(path, text)
    return {state: counts[state] for state in STATES if counts[state]}


def _name(folder: Path, root: Path) -> str:
    return printable(root.resolve().name if folder == root else folder.relative_to(root).as_posix())


def _row(run: run_row.Row, picture: str, root: Path, folder: Path) -> dict[str, Any]:
    page = run.workdir / workdir_lib.PAGE
    row: dict[str, Any] = {
        "name": _name(run.workdir, root),
        "address": address(page, folder) if page.is_file() else "",
        "picture": picture,
        "state": run.state,
        "detail": run.detail,
        "moment": f"{run.moment:%Y-%m-%d %H:%M}",
        "model": "",
        "data": "",
        "kind": "",
        "changes": [],
        "values": [],
        "epochs": "",
        "planned": "",
        "metrics": {},
    }
    if run.config is None:
        return row
    values = naming.read_values(run.config)
    own = [name for name in facts.changed(run.config) if name in values and name not in IN_COLUMNS]
    metrics = {
        name: {"value": value, "text": format_value(name, value), "split": "" if split == "test" else "validation"}
        for name, (value, split) in run.metrics.items()
    }
    return row | {
        "model": facts.model_title(run.config),
        "data": facts.data_name(run.config),
        "kind": run_row.kind_of(run.config),
        "changes": [f"{name}={naming.short(values[name])}" for name in own],
        "values": [f"{name}={naming.short(value)}" for name, value in values.items()],
        "epochs": "" if run.state == "damaged" else f"{run.epochs:g}",
        "planned": f" of {run.config.num_epochs}" if run.state in ("running", "stopped") else "",
        "metrics": metrics,
    }
