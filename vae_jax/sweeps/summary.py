"""Means and standard errors over the seeds of a sweep: as a table, as CSV, and as lines to draw."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vae_jax.sweeps.plan import Point, point_text
from vae_jax.system.formatting import COUNTS

SPLIT = "test/"


class Row(NamedTuple):
    """One point of a sweep, averaged over its seeds."""

    point: Point
    seeds: int
    planned: int
    """The number of seeds, with those whose run failed."""
    kind: str
    """The kind of data and checkpoint of the numbers; rows of different kinds never share a column."""
    means: dict[str, float]
    errors: dict[str, float]
    """The standard errors of the means; NaN for a single seed."""

    @property
    def counted(self) -> str:
        """The number of seeds as text: "3", or "2 of 3" if a run failed."""
        return str(self.seeds) if self.seeds == self.planned else f"{self.seeds} of {self.planned}"


def summarize(point: Point, results: Sequence[Mapping[str, Any]], planned: int) -> Row:
    """Return the mean and standard error (sample standard deviation / sqrt(seeds)) of each test metric.

    `planned` counts the failed runs of the point too.
    """
    names = [name.removeprefix(SPLIT) for name in results[0] if name.startswith(SPLIT)]
    columns = {name: np.array([run[SPLIT + name] for run in results], np.float64) for name in names}
    n = len(results)
    errors = {name: float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan for name, values in columns.items()}
    kind = f"{results[0]['pixels']} pixels, {results[0]['likelihood']}"
    kind += ", given the label" if "condition" in results[0] else ""
    kind += ", last checkpoint" if results[0].get("which") == "latest" else ""
    return Row(point, n, planned, kind, {name: float(values.mean()) for name, values in columns.items()}, errors)


def metric_names(rows: Sequence[Row]) -> list[str]:
    """Return the metrics of all rows, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.means))


def table_rows(rows: Sequence[Row], formatted: Any) -> dict[str, tuple[list[str], list[tuple[str, list[str | None]]]]]:
    """Return kind -> table, (columns, [(point, "mean ± error" of each metric)]); `formatted` is (metric, value) -> text."""
    tables = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        alike = [row for row in rows if row.kind == kind]
        names = metric_names(alike)
        tables[kind] = (["seeds", *names], [(point_text(row.point), _cells(row, names, formatted)) for row in alike])
    return tables


def _cells(row: Row, names: Sequence[str], formatted: Any) -> list[str | None]:
    cells: list[str | None] = [row.counted]
    for name in names:
        if name not in row.means:
            cells.append(None)
            continue
        counts, error = name in COUNTS, row.errors[name]  # a mean of counts keeps its digits
        mean = formatted("mean" if counts and row.seeds > 1 else name, row.means[name])
        cells.append(mean if math.isnan(error) else f"{mean} ± {formatted('mean' if counts else name, error)}")
    return cells


def csv_text(rows: Sequence[Row]) -> str:
    """Return a CSV line per point: the swept keys, the seeds, the kind, then each metric and its standard error."""
    names = metric_names(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    keys = [key for key, _ in rows[0].point]
    writer.writerow([*keys, "seeds", "taken_on", *(column for name in names for column in (name, f"{name}_se"))])
    for row in rows:
        numbers = [value for name in names for value in (row.means.get(name, math.nan), row.errors.get(name, math.nan))]
        texts = ["" if math.isnan(number) else repr(number) for number in numbers]
        writer.writerow([*(value for _, value in row.point), row.counted, row.kind, *texts])
    return buffer.getvalue()


def lines(rows: Sequence[Row]) -> dict[str, dict[str, tuple[list[str], np.ndarray, np.ndarray]]]:
    """Return metric -> name of a line -> (values of the first swept key, means, errors).

    The keys of the first flag share the axis. A line is named by the other keys, and by its kind if kinds differ.
    """
    mixed = len({row.kind for row in rows}) > 1
    first = [key for key, _ in rows[0].point]
    varied = [key for key in first[1:] if len({(dict(row.point)[first[0]], dict(row.point)[key]) for row in rows})
              > len({dict(row.point)[first[0]] for row in rows})]  # fmt: skip
    gathered: dict[str, dict[str, list[tuple[str, float, float]]]] = {}
    for row in rows:
        values = dict(row.point)
        name = " ".join([f"{key}={values[key]}" for key in varied] + [row.kind] * mixed)
        for metric, mean in row.means.items():
            gathered.setdefault(metric, {}).setdefault(name, []).append((values[first[0]], mean, row.errors[metric]))
    return {
        metric: {
            name: ([p[0] for p in points], np.array([p[1] for p in points]), np.array([p[2] for p in points]))
            for name, points in named.items()
        }
        for metric, named in gathered.items()
    }
