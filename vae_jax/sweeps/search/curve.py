"""The validation curve of a trial: its score, and the end of a training whose curve is bad."""

from collections.abc import Callable, Mapping
from typing import Any

from vae_jax.errors import InputError
from vae_jax.system.console import Console

METRICS = ("val/elbo", "val/loss")
"""The metrics of validation images by which trials are compared: the first that a run has. A loss is negated."""


class Pruned(Exception):
    """The end of a training whose validation curve is below the median of the trials before it."""


class Watched(Console):
    """A console that reports the metrics of each epoch after its line."""

    report: Callable[[int, int, Mapping[str, float]], None] | None = None
    """(epoch, the number of epochs, metrics); an exception ends the training. None: nothing is reported."""

    def epoch_line(self, epoch: int, num_epochs: int, metrics: Mapping[str, float], best: bool = False) -> None:
        """Print the line, then report."""
        super().epoch_line(epoch, num_epochs, metrics, best)
        if self.report is not None:
            self.report(epoch, num_epochs, metrics)


def score(study: Any, metrics: Mapping[str, Any]) -> float:
    """Return the number by which trials are compared, higher is better; the first one sets the metric of the study.

    Raises:
        InputError: there is no such metric among `metrics`.
    """
    name = study.user_attrs.get("metric") or next((name for name in METRICS if name in metrics), METRICS[0])
    if name not in metrics:
        raise InputError(f"there is no {name} to compare this trial by; search over models of one kind")
    if "metric" not in study.user_attrs:
        study.set_user_attr("metric", name)
    return metrics[name] if name == METRICS[0] else -metrics[name]


def reporting(study: Any, trial: Any) -> Callable[[int, int, Mapping[str, float]], None]:
    """Return the function that reports each validation to the trial, and raises Pruned."""

    def report(epoch: int, num_epochs: int, metrics: Mapping[str, float]) -> None:
        if not any(name in metrics for name in METRICS):
            return  # an epoch without validation
        trial.report(score(study, metrics), epoch)
        if epoch < num_epochs and trial.should_prune():
            raise Pruned(f"pruned after {epoch} of {num_epochs} epochs: below the median of the trials before it")

    return report
