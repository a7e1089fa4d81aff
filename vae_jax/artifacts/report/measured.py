"""The curves and the health report of a run, read from its folder for the page."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.runs.writer import history, read_metrics

CURVES = ("elbo", "loss", "reconstruction", "kl", "tc", "critic_loss", "mse")
PREFERRED = ("elbo", "reconstruction", "kl", "tc", "critic_loss", "mse", "loss")
"""The curves that stay, first those that say most, if others are equal to them."""
ROUNDING = 1e-5
"""The largest relative difference of two curves that are equal up to rounding."""
UNITS = {"mse": "per pixel, range [0, 1]", "mse_mean": "per pixel, range [0, 1]", "active_units": "units"}
UNITS |= {"psnr": "dB", "ssim": "at most 1"}
UNITS |= dict.fromkeys(("codes_used", "code_perplexity"), "codes")


def unit(name: str) -> str:
    """Return the unit of a metric."""
    return UNITS.get(name, "bits" if name == "bits_per_dim" else "nats per image")


def curves(workdir: Path) -> list[dict[str, Any]]:
    """Return {name, unit, series: [{name, place, epochs, values}]} for each logged metric.

    A value that is not finite is null. `place` is the number of a line's colour in all charts.
    """
    series = history(read_metrics(workdir))
    parts = [series.get(f"train/{name}") for name in ("reconstruction", "kl")]
    if "val/elbo" in series and parts[0] and parts[1] and np.array_equal(parts[0][0], parts[1][0]):
        # Training logs the parts of its elbo only.
        series.setdefault("train/elbo", (parts[0][0], -(parts[0][1] + parts[1][1])))
    found = []
    for name in CURVES:
        lines = [
            {"name": label, "place": place, "epochs": series[key][0].tolist(), "values": _finite(series[key][1])}
            for place, (label, key) in enumerate((("train", f"train/{name}"), ("validation", f"val/{name}")))
            if key in series
        ]
        if lines:
            found.append({"name": name, "unit": unit(name), "series": lines})
    return found


def without_mirrors(charts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out every chart that equals another one up to rounding and sign, such as the loss, -elbo at beta 1."""
    kept: list[dict[str, Any]] = []
    for chart in sorted(charts, key=lambda chart: PREFERRED.index(chart.get("metric", chart["name"]))):
        if not any(_mirrors(chart, other) for other in kept):
            kept.append(chart)
    return [chart for chart in charts if chart in kept]


def _mirrors(chart: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return True if all values of two charts are equal, or all are opposite."""
    lines = [[(line["name"], line["epochs"]) for line in one["series"]] for one in (chart, other)]
    if lines[0] != lines[1]:
        return False
    a, b = (np.array([v for line in one["series"] for v in line["values"]], np.float64) for one in (chart, other))
    return any(np.allclose(a, sign * b, rtol=ROUNDING, atol=0, equal_nan=True) for sign in (1, -1))


def _finite(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def health(workdir: Path, results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return {title, verdict, reason, lines: [{name, verdict, found, reason}]} of what `vae-jax health` wrote.

    Without it they are the quick lines of the results, and `quick` is True; None if there are none either.
    """
    try:
        found = json.loads((workdir / "health.json").read_text(encoding="utf-8"))
        return _health(found) | {"title": f"{found['which']} checkpoint, step {found['step']}", "quick": False}
    except (OSError, ValueError, KeyError, TypeError):
        words = results.get("health")
        return words and _health(words) | {"title": "quick checks of the final evaluation", "quick": True}


def _health(found: Mapping[str, Any]) -> dict[str, Any]:
    lines = [_line(name, value) for name, value in found.items() if isinstance(value, dict) and name != "verdict"]
    return {**_line("verdict", found["verdict"]), "lines": lines}


def _line(name: str, value: Mapping[str, Any]) -> dict[str, str]:
    """Return the parts of a health line: its text starts with its name and ends with ` -> verdict: detail; try advice`."""
    text = str(value["text"]).removeprefix(name).strip()
    found, _, reason = text.partition("-> ")
    reason = reason.removeprefix(str(value["verdict"])).removeprefix(":").removeprefix(";").strip()
    return {"name": name, "verdict": str(value["verdict"]), "found": found.strip(), "reason": reason}
