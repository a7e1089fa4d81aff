"""The tables and the figure of the study of priors and posteriors, made from the numbers of its finished runs."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
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

Numbers = dict[str, Any]


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


def mean_of(runs: list[Numbers], name: str) -> tuple[float, float]:
    """Return the mean over seeds and its standard error; NaN for one seed."""
    values = np.array([run[name] for run in runs], np.float64)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


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
        _figure(name, rows, kept, seconds),
        folder="reproduce",
    )


def _figure(
    name: str, rows: list[str], kept: dict[str, dict[str, Any]], seconds: dict[str, list[float]]
) -> bytes | None:
    """Draw the figure of a table, or nothing before two of its rows can be drawn."""
    curves = {row: run["curve"] for row in rows for run in kept[row].values() if "curve" in run}
    timed = [row for row in rows if row in seconds]
    if len(curves if TABLES[name].curves else timed) < 2:
        return None
    from matplotlib.figure import Figure

    from vae_jax.artifacts.figures import png_bytes

    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    axes = figure.subplots()
    if TABLES[name].curves:
        _draw_curves(axes, curves)
    else:
        _draw_costs(axes, {row: seconds[row] for row in timed}, kept)
    axes.grid(alpha=0.3)
    return png_bytes(figure)


def _draw_curves(axes: Any, curves: dict[str, dict[str, list[float]]]) -> None:
    """Draw the validation elbo against the epoch; its first steps, far below the others, are cut off."""
    from vae_jax.artifacts.figures.colours import PALETTE

    for (row, curve), colour in zip(curves.items(), PALETTE, strict=False):
        axes.plot(curve["epoch"], curve["elbo"], label=row, color=colour)
    last = [curve["elbo"][-1] for curve in curves.values()]
    quarter = [curve["elbo"][len(curve["elbo"]) // 4] for curve in curves.values()]
    axes.set_ylim(min(*quarter, *last) - 0.5, max(max(curve["elbo"]) for curve in curves.values()) + 0.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation elbo, nats per image (higher is better)")
    axes.legend(loc="lower right")


def _draw_costs(axes: Any, seconds: dict[str, list[float]], kept: dict[str, dict[str, Any]]) -> None:
    """Draw nll against the seconds of an epoch."""
    from vae_jax.artifacts.figures.colours import BLUE

    for row in seconds:
        mean, error = mean_of(list(kept[row].values()), "nll")
        where = float(np.median(seconds[row]))
        axes.errorbar(where, mean, yerr=None if math.isnan(error) else 2 * error, fmt="o", color=BLUE, capsize=3)
        axes.annotate(row, (where, mean), xytext=(6, 4), textcoords="offset points", fontsize=9)
    axes.set_xlabel("seconds an epoch")
    axes.set_ylabel("-log p(x), nats per image (lower is better)")
    axes.margins(x=0.18)
