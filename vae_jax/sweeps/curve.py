"""The validation curve of a trial: its score, and the end of a training whose curve is bad."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.errors import InputError
from vae_jax.runs.writer import read_metrics

METRICS = ("val/elbo", "val/loss")
"""The metrics of validation images by which trials are compared: the first that a run has. A loss is negated."""


class Pruned(Exception):
    """The end of a training whose validation curve is below the median of the trials before it."""


class Bars(NamedTuple):
    """The scores that a trial has to reach. They are plain numbers, so that a run on another machine can be judged there."""

    metric: str
    """A name of METRICS."""
    at: Mapping[int, float]
    """Epoch -> the median score of the trials before this one."""


def score_of(metric: str, metrics: Mapping[str, Any]) -> float:
    """Return the score of a metric, higher is better."""
    return metrics[metric] if metric == METRICS[0] else -metrics[metric]


def metric_of(study: Any, metrics: Mapping[str, Any]) -> str:
    """Return the metric of the study, which its first trial sets.

    Raises:
        InputError: there is no such metric among `metrics`.
    """
    name = study.user_attrs.get("metric") or next((name for name in METRICS if name in metrics), METRICS[0])
    if name not in metrics:
        raise InputError(f"there is no {name} to compare this trial by; search over models of one kind")
    if "metric" not in study.user_attrs:
        study.set_user_attr("metric", name)
    return name


def curve_of(workdir: Path, metric: str) -> dict[int, float]:
    """Return epoch -> score of a run, from its metrics.jsonl."""
    return {row["epoch"]: score_of(metric, row) for row in read_metrics(workdir) if row.get(metric) is not None}


def judge(bars: Bars, workdir: Path) -> Callable[[int, int, Mapping[str, float]], None]:
    """Return the function (epoch, number of epochs, metrics) that raises Pruned if a run's best score is below the bar."""
    found = curve_of(workdir, bars.metric)  # of the part that was trained before a stop

    def report(epoch: int, num_epochs: int, metrics: Mapping[str, float]) -> None:
        if bars.metric not in metrics:
            return  # an epoch without validation
        found[epoch] = score_of(bars.metric, metrics)
        best = max(score for at, score in found.items() if at <= epoch)
        if epoch < num_epochs and best < bars.at.get(epoch, best):
            raise Pruned(f"pruned after {epoch} of {num_epochs} epochs: below the median of the trials before it")

    return report
