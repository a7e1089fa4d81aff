"""The result of a search: its best trials as a table, and all of them in trials.csv."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

from vae_jax.runs.workdir import PAGE, read_results
from vae_jax.sweeps.curve import METRICS
from vae_jax.sweeps.search.study import finished
from vae_jax.system import disk
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_value

MOST = 10
"""The largest number of trials in the table."""


def write(study: Any, folder: Path, seeds: int, console: Console) -> int:
    """Print the best trials and write trials.csv; return the number of trials that are complete."""
    trials = finished(study)
    counts = Counter(trial.state.name for trial in trials)
    complete = sorted((t for t in trials if t.state.name == "COMPLETE"), key=lambda t: (-t.value, t.number))
    name = study.user_attrs.get("metric", METRICS[0])
    disk.write(folder / "trials.csv", _csv_text(trials, name))
    console.line(
        f"\n{len(trials)} trials: {counts['COMPLETE']} complete, {counts['PRUNED']} pruned by their validation curve, "
        f"{counts['FAIL']} failed"
    )
    if complete:
        rows, metric = [], name.partition("/")[2]
        for trial in complete[:MOST]:
            results = read_results(Path(trial.user_attrs["workdir"]))
            test = results.get(f"test/{metric}") if seeds == 1 else None
            cells = [format_value(metric, _value(trial.value, name)), test and format_value(metric, test)]
            rows.append((trial.user_attrs["point"], [*cells, str(trials.index(trial) + 1)]))
        over = f"mean of {seeds} seeds" if seeds > 1 else "best checkpoint"
        console.table(f"the best trials ({over}, nats per image)", [name, f"test/{metric}", "trial"], rows)
        console.line(f"\nthe page of the best: {Path(complete[0].user_attrs['workdir']) / PAGE}")
    console.line(f"written to {folder}: trials.csv study.journal")
    console.line("a larger --trials continues this search")
    return len(complete)


def _value(score: float, name: str) -> float:
    """Return the metric whose score this is; see `curve.score_of`."""
    return score if name == METRICS[0] else -score


def _csv_text(trials: list[Any], name: str) -> str:
    """Return a line for each trial: its number, state, point, last validated epoch, metric and directory."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["trial", "state", "point", "epoch", name, "workdir"])
    for i, trial in enumerate(trials):
        value = "" if trial.value is None else repr(_value(trial.value, name))
        state, attrs = trial.state.name.lower(), trial.user_attrs
        epoch = max(trial.intermediate_values, default="")
        writer.writerow([i + 1, state, attrs["point"], epoch, value, attrs.get("workdir", "")])
    return buffer.getvalue()
