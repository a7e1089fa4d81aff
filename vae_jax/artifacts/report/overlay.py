"""The charts of several runs: one per metric and kind; the runs of a group are thin lines, their mean is a thick one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vae_jax.artifacts.report import measured
from vae_jax.artifacts.report.naming import Named


class Kind(NamedTuple):
    """The kind of a run's numbers; numbers of different kinds never share a column or a chart."""

    pixels: str
    """The kind of pixels, such as `grey pixels`, with the images' name if runs have different ones."""
    likelihood: str
    given: str = ""
    """`, given the label` for a conditional model, whose numbers are of p(x|y)."""
    seen: str = ""
    """`, from noisy images` for a denoiser, which encodes corrupted images."""
    loss: str = ""
    """The settings of the objective, such as `beta=4`, if runs have different ones."""

    @property
    def text(self) -> str:
        """The kind of all numbers but the squared error and the loss."""
        return f"{self.pixels}, {self.likelihood}{self.given}{self.seen}"

    def of(self, metric: str) -> str:
        """Return the kind of a metric.

        A squared error of the same pixels is one kind, whatever the likelihood; losses are one kind if their objectives agree.
        """
        if metric == "mse":
            return f"{self.pixels}{self.given}{self.seen}"
        return f"{self.text}, {self.loss}" if metric == "loss" and self.loss else self.text


def overlaid(runs: Sequence[tuple[Named, Kind, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Return one chart per metric, and per kind if kinds differ, from (names, kind, curves of `measured.curves`).

    The curves are of validation, or of training if there is none; a name says so. A run's `place`, the number of its
    group, is the number of its colour in all charts. A line's `role` is `run`, or `seed` beside the `mean` of its group.
    A chart that mirrors another one is left out.
    """
    charts: dict[tuple[str, str], dict[str, Any]] = {}
    for names, kind, curves in runs:
        for curve in curves:
            line = curve["series"][-1]
            key = curve["name"], kind.of(curve["name"])
            chart = charts.setdefault(key, {**curve, "metric": curve["name"], "series": []})
            name = names.name if line["name"] == "validation" else f"{names.name} ({line['name']})"
            group = names.group if line["name"] == "validation" else f"{names.group} ({line['name']})"
            own = {"name": name, "place": names.place, "group": names.place, "role": "run", "of": group}
            chart["series"].append({**line, **own})
    names = [name for name, _ in charts]
    for (name, kind), chart in charts.items():
        chart["name"] = f"{name}, {kind}" if names.count(name) > 1 else name
        chart["series"] = _with_means(chart["series"])
    ordered = [chart for name in measured.CURVES for (own, _), chart in charts.items() if own == name]
    return measured.without_mirrors(ordered)


def _with_means(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines; those of a group of several are seeds, followed by their mean at the epochs that all have."""
    found: list[dict[str, Any]] = []
    for place, group in dict.fromkeys((line["place"], line["of"]) for line in lines):
        own = [line for line in lines if (line["place"], line["of"]) == (place, group)]
        if len(own) == 1:
            found.append(own[0])
            continue
        found += [{**line, "role": "seed"} for line in own]
        values = [dict(zip(line["epochs"], line["values"], strict=True)) for line in own]
        epochs = sorted(set.intersection(*(set(one) for one in values)))
        means = [_mean([one[epoch] for one in values]) for epoch in epochs]
        mean = {"name": f"{group}, mean of {len(own)}", "role": "mean", "epochs": epochs, "values": means}
        if epochs:
            found.append({**own[0], **mean})
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
