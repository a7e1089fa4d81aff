"""The tables of several runs: their numbers, the mean over seeds, and the best values of each metric marked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vae_jax.artifacts.report import measured
from vae_jax.artifacts.report.naming import Named, read_values, short
from vae_jax.system.formatting import format_value
from vae_jax.types import Config

BETTER = {"elbo": 1, "mse": -1, "mse_mean": -1, "psnr": 1, "ssim": 1, "bits_per_dim": -1}
"""1: a higher value is better, -1: a lower one.

Other metrics have no best value: a loss depends on its objective, and kl and reconstruction are two parts of one sum.
"""


INTERVAL = 2
"""The standard errors of a difference up to which seeds do not show it."""


class Entry(NamedTuple):
    """A run in a table."""

    names: Named
    config: Config
    results: Mapping[str, Any]
    """The content of results.json; empty for a run that is not complete."""
    state: str
    folder: str
    address: str
    """The address of its report from the page; empty if there is none."""


def table(kind: str, runs: Sequence[Entry], keys: Sequence[str]) -> dict[str, Any]:
    """Return {kind, metrics: [{name, unit, better}], groups: [{rows, several}]}.

    The first row of a group of several runs is their mean.
    """
    found = dict.fromkeys(name for run in runs for name in run.results if name.startswith("test/"))
    metrics = [name.removeprefix("test/") for name in found]
    groups = []
    for place in dict.fromkeys(run.names.place for run in runs):
        own = [run for run in runs if run.names.place == place]
        rows = [_row(run, keys, metrics) for run in own]
        groups.append(
            {"rows": [_mean_row(own, keys, metrics), *rows] if len(own) > 1 else rows, "several": len(own) > 1}
        )
    for i, name in enumerate(metrics):
        _mark(name, [group["rows"][0]["numbers"][i] for group in groups])
    words = {1: "higher is better", -1: "lower is better"}
    heads = [{"name": n, "unit": measured.unit(n), "better": words.get(BETTER.get(n, 0), "")} for n in metrics]
    return {"kind": kind, "metrics": heads, "groups": groups}


def _row(run: Entry, keys: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    values = read_values(run.config)
    cells = [_cell(values[key], short(values[key])) if key in values else _cell(None, "–") for key in keys]
    return {
        "name": run.names.name,
        "place": run.names.place,
        "folder": run.folder,
        "address": run.address,
        "state": run.state,
        "values": cells,
        "numbers": [_number(name, run.results.get(f"test/{name}")) for name in metrics],
    }


def _mean_row(runs: Sequence[Entry], keys: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    """Return the row of a group: the mean of each metric with its standard error, over the runs that have it."""
    rows = [_row(run, keys, metrics) for run in runs]
    shared = [[row["values"][i]["text"] for row in rows] for i in range(len(keys))]
    cells = [rows[0]["values"][i] if len(set(t)) == 1 else _cell(None, ", ".join(t)) for i, t in enumerate(shared)]
    numbers = []
    for i, name in enumerate(metrics):
        known = [row["numbers"][i]["value"] for row in rows if row["numbers"][i]["value"] is not None]
        number = _number(name, float(np.mean(known)) if known else None)
        if len(known) > 1:
            error = float(np.std(known, ddof=1)) / math.sqrt(len(known))
            number |= {"text": f"{number['text']} ± {format_value(name, error)}", "error": error}
        numbers.append(number)
    done = sum(bool(run.results) for run in runs)
    name = f"{runs[0].names.group}, mean of {done}"
    state = "complete" if done == len(runs) else f"{done} of {len(runs)} complete"
    own = {"name": name, "place": runs[0].names.place, "folder": "", "address": "", "state": state}
    return {**own, "values": cells, "numbers": numbers}


def _cell(value: Any, text: str) -> dict[str, Any]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"text": text, "value": value if number else text}


def _number(name: str, value: Any) -> dict[str, Any]:
    known = isinstance(value, int | float) and math.isfinite(value)
    return {"text": format_value(name, value), "value": value if known else None, "error": 0.0, "best": False}


def _mark(name: str, numbers: Sequence[dict[str, Any]]) -> None:
    """Mark the best of at least two numbers, and those that look the same or differ by less than the seeds' interval."""
    known = [number for number in numbers if number["value"] is not None]
    if name not in BETTER or len(known) < 2:
        return
    best = max(known, key=lambda number: BETTER[name] * number["value"])
    for number in known:
        same = format_value(name, number["value"]) == format_value(name, best["value"])
        interval = INTERVAL * math.hypot(number["error"], best["error"])
        number["best"] = same or abs(number["value"] - best["value"]) <= interval
