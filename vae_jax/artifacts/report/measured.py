"""The curves and the health report of a run, read from its folder for the page."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.runs.writer import history, read_metrics

CURVES = ("loss", "reconstruction", "kl", "tc", "critic_loss", "elbo", "mse")
UNITS = {"mse": "per pixel, range [0, 1]", "mse_mean": "per pixel, range [0, 1]", "active_units": "units"}
UNITS |= dict.fromkeys(("codes_used", "code_perplexity"), "codes")


def unit(name: str) -> str:
    """Return the unit of a metric."""
    return UNITS.get(name, "bits" if name == "bits_per_dim" else "nats per image")


def curves(workdir: Path) -> list[dict[str, Any]]:
    """Return {name, unit, series: [{name, epochs, values}]} for each logged metric; null for values that are not finite."""
    series = history(read_metrics(workdir))
    found = []
    for name in CURVES:
        lines = [
            {"name": label, "epochs": series[key][0].tolist(), "values": _finite(series[key][1])}
            for label, key in (("train", f"train/{name}"), ("validation", f"val/{name}"))
            if key in series
        ]
        if lines:
            found.append({"name": name, "unit": unit(name), "series": lines})
    return found


def _finite(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def health(workdir: Path, results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return {title, verdict, reason, lines: [{name, verdict, found, reason}]} of what `experiments.health` wrote.

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
