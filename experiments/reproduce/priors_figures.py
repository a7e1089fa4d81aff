"""The figures of the study of priors and posteriors, and the numbers that they show."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.runs.writer import read_metrics

Numbers = dict[str, Any]
"""The numbers of a run; see `priors.numbers_of`."""


def curve_of(workdir: Path) -> dict[str, list[float]]:
    """Return the validation elbo against the epoch, of at most 200 epochs."""
    rows = read_metrics(workdir)
    rows = rows[:: -(-len(rows) // 200)]
    return {"epoch": [row["epoch"] for row in rows], "elbo": [round(row["val/elbo"], 3) for row in rows]}


def mean_of(runs: list[Numbers], name: str) -> tuple[float, float]:
    """Return the mean over seeds and its standard error; NaN for one seed."""
    values = np.array([run[name] for run in runs], np.float64)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def figure_of(
    learning: bool, rows: list[str], kept: dict[str, dict[str, Numbers]], seconds: dict[str, list[float]]
) -> bytes | None:
    """Draw the figure of a table as PNG: learning curves, or nll against seconds; None before two rows can be drawn."""
    curves = {row: run["curve"] for row in rows for run in kept[row].values() if "curve" in run}
    timed = [row for row in rows if row in seconds]
    if len(curves if learning else timed) < 2:
        return None
    from matplotlib.figure import Figure

    from vae_jax.artifacts.figures import png_bytes

    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    axes = figure.subplots()
    if learning:
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
    axes.locator_params(axis="x", integer=True)
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
