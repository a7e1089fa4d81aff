"""A run that is being trained: its state, its progress, and everything it talks to."""

import math
from pathlib import Path
from typing import NamedTuple

from vae_jax.objectives.kl import stable_when
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.latent_frames import LatentFrames
from vae_jax.runs.writer import Writer
from vae_jax.system.console import Console
from vae_jax.system.profiling import Profile
from vae_jax.system.signals import StopRequest
from vae_jax.training.prepare import Training
from vae_jax.types import TrainState


class Progress(NamedTuple):
    """The progress of training; with the state, it is all that a checkpoint holds."""

    step: int = 0
    sums: dict[str, float] = {}  # noqa: RUF012
    """The sums of the current epoch's metrics over its steps so far."""
    best: float | None = None
    """The highest score so far of the checkpoints that are saved on schedule."""
    stale: int = 0
    """The number of scored checkpoints since the best one."""


class Session(NamedTuple):
    """A run in its directory: where training stands, and the loop's side effects."""

    state: TrainState | None
    """None while the state is part of a population's."""
    progress: Progress
    workdir: Path
    stop: StopRequest
    """Ask `processes.agree` about it."""
    checkpoints: Checkpoints
    writer: Writer
    console: Console
    frames: LatentFrames
    profile: Profile

    def whole_state(self) -> TrainState:
        """Return the state, which is there."""
        assert self.state is not None
        return self.state

    def tell(self) -> None:
        """Print what is new about the tracker."""
        for line in self.writer.tracking.news():
            self.console.line(line)


def is_complete(training: Training, progress: Progress) -> bool:
    """Return True if nothing is left to train: all epochs are done, or early stopping has run out of patience."""
    patience = training.config.early_stopping
    exhausted = patience > 0 and progress.stale >= patience and progress.step % training.steps_per_epoch == 0
    return exhausted or progress.step >= training.config.num_epochs * training.steps_per_epoch


def choice_lines(training: Training, progress: Progress) -> list[str]:
    """Return lines about the choice of the best checkpoint: its metric, and the first epoch, if it is ahead and not the first."""
    config, stable = training.config, math.ceil(training.objective.stable_after_epoch)
    lines = [f"* marks the best checkpoint so far, by {best_metric(training, config.checkpoint.best_metric)}"]
    if stable > max(1, progress.step // training.steps_per_epoch):
        counted = ", and early stopping counts from there" if config.early_stopping else ""
        line = f"the best checkpoint is chosen from epoch {stable} on, when {stable_when(config)}{counted}"
        never = f"; num_epochs={config.num_epochs} is less, so it is the last one"
        lines.append(line + never * (stable > config.num_epochs))
    return lines


def best_metric(training: Training, name: str) -> str:
    """Return the metric that a value of `checkpoint.best_metric` stands for: `val/elbo` or `val/loss`."""
    return training.objective.best_metric if name == "auto" else name
