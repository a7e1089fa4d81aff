"""The tables and the figure of the study of priors and posteriors, made from the numbers of its finished runs."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from experiments.reproduce.priors_figures import Numbers, figure_of, mean_of
from experiments.reproduce.priors_rows import TABLES
from vae_jax.system import disk

COLUMNS = (
    "row",
    "seeds",
    "nll",
    "gain",
    "elbo",
    "kl",
    "aggregate KL",
    "Gaussian",
    "parameters",
    "epochs",
    "seconds an epoch",
)
SECONDS = "seconds"
"""The place of a table's times among its rows."""


def rows_path() -> Path:
    """Return the file that holds the numbers of every finished run."""
    return record.ROOT / "reproduce" / "results" / "priors" / "rows.json"


def stored() -> dict[str, dict[str, dict[str, Any]]]:
    """Return table -> row -> seed -> numbers; under the row "seconds", machine -> row -> seconds of each round."""
    path = rows_path()
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def keep(table: str, row: str, seed: str, numbers: Numbers) -> None:
    """Add the numbers of a run; they replace those of an older one."""
    kept = stored()
    runs = kept.setdefault(table, {}).setdefault(row, {})
    if row == SECONDS:
        runs.clear()  # times of two machines do not belong into one table
    runs[seed] = numbers
    _store(kept)


def add_gains(table: str, gain_of: Callable[[str, int], dict[str, float] | None]) -> None:
    """Add the gain of every run over the first row, which may have been measured later; (row, seed) -> gain."""
    kept = stored()
    for row, runs in kept.get(table, {}).items():
        for seed, numbers in runs.items():
            if row != SECONDS:
                numbers["gain"] = gain_of(row, int(seed)) or numbers.get("gain")
    _store(kept)


def _store(kept: dict[str, Any]) -> None:
    folder = rows_path().parent
    folder.mkdir(parents=True, exist_ok=True)
    disk.write(rows_path(), json.dumps(kept, indent=1) + "\n")


def _shown(mean: float, error: float) -> str:
    return f"{mean:.2f}" if math.isnan(error) else f"{mean:.2f} ± {error:.2f}"


def gain_of(runs: list[Numbers]) -> tuple[float, float]:
    """Return the mean gain over seeds and its standard error: over seeds, or for one seed over images."""
    gains = [run["gain"] for run in runs if run.get("gain")]
    if not gains:
        return math.nan, math.nan
    if len(gains) == 1:
        return gains[0]["difference"], gains[0]["error"]
    return mean_of(gains, "difference")


def row_cells(name: str, row: str, runs: dict[str, Numbers], seconds: dict[str, list[float]]) -> list[Any]:
    """Return the cells of a row."""
    each = [runs[seed] for seed in sorted(runs, key=int)]
    gain, error = gain_of(each)
    pairs = sum(bool(run.get("gain")) for run in each)
    nll, nll_error = mean_of(each, "nll")
    apart = [run["aggregate"] for run in each if "left_out" not in run["aggregate"]]
    gaussians = [one["gaussian_gain"]["value"] for one in apart if "gaussian_gain" in one]
    epochs = sorted({run["epochs"] for run in each})
    first = next(iter(TABLES[name].rows))
    time = ""
    if row in seconds:
        ratio = np.median(np.array(seconds[row]) / np.array(seconds[first]))
        time = f"{np.median(seconds[row]):.1f} ({ratio:.2f} times)"
    return [
        row,
        len(each),
        _shown(nll, each[0]["image_error"] if len(each) == 1 else nll_error),
        "" if math.isnan(gain) else _shown(gain, error) + (f" ({pairs} seeds)" if 1 < pairs < len(each) else ""),
        _shown(*mean_of(each, "elbo")),
        _shown(*mean_of(each, "kl")),
        _divergence(apart),
        f"{np.mean(gaussians):+.2f}" if gaussians else "",
        f"{each[0]['parameters']:,}",
        "-".join(f"{count:g}" for count in dict.fromkeys((epochs[0], epochs[-1]))),
        time,
    ]


def _divergence(apart: list[dict[str, Any]]) -> str:
    """Return the bracket of the aggregate posterior's KL to the prior, means over seeds, and the number of its images."""
    if not apart:
        return "not known"
    low, high = (np.mean([one["kl_to_prior"][end] for one in apart]) for end in ("low", "high"))
    return f"{low:.1f} to {high:.1f} ({apart[0]['num_images']:,} images)"


def write(name: str, command: str) -> None:
    """Write the table `name` of all its finished runs, and the page."""
    kept, table = stored().get(name, {}), TABLES[name]
    rows = [row for row in table.rows if row in kept]
    if not rows:
        return
    machine, seconds = next(iter(kept.get(SECONDS, {}).items()), ("", {}))
    cells = [row_cells(name, row, kept[row], seconds) for row in rows]
    samples = (
        f"nll with {table.samples:,} samples on {f'the first {table.images:,}' if table.images else 'all'} test images."
    )
    notes = [*table.notes, samples]
    if seconds:
        count = len(next(iter(seconds.values())))
        notes.append(
            f"Seconds an epoch: medians of {count} epochs trained in turn with those of the other rows, on {machine}."
        )
    missing = [row for row in table.rows if row not in kept]
    fewer = [row for row in rows if len(kept[row]) < table.seeds]
    if missing or fewer:
        notes.append(f"Not finished: {', '.join([*missing, *(f'further seeds of {row}' for row in fewer)])}.")
    record.save(
        f"priors_{name}",
        command,
        table.title,
        COLUMNS,
        cells,
        notes,
        figure_of(TABLES[name].curves, rows, kept, seconds),
        folder="reproduce",
    )
