"""The printed progress of a population: one line per epoch for all of its runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from vae_jax.sweeps.population.program import spreads
from vae_jax.system import signals
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_value, headline
from vae_jax.training.prepare import Training


class Common(NamedTuple):
    """The values that all runs of a population share."""

    run: Training
    stop: signals.StopRequest
    console: Console
    num_epochs: int
    """The largest num_epochs of any run."""


def start_bar(common: Common, steps: Sequence[int]) -> None:
    """Print how the runs are spread over the devices, and start the bar; `steps` are the steps the runs have taken."""
    run, number, devices = common.run, len(steps), jax.device_count()
    if not number:
        return
    if devices > 1:
        where = f"{number // devices} on each of {devices} devices"
        if not spreads(number):
            where = f"not divisible by {devices} devices: each step's batch is spread over them instead"
        common.console.line(f"{number} runs, {where}")
    images = run.steps_per_epoch * run.config.batch_size * number
    common.console.start(images, common.num_epochs, sum(steps) / number / run.steps_per_epoch)


def advance_bar(common: Common, step: int, taken: int, last: Sequence[Mapping[str, float]]) -> None:
    """Advance the bar by the steps that each run has taken to reach `step`; `last` are the terms of each run's last step."""
    epoch, images = -(-step // common.run.steps_per_epoch), taken * len(last) * common.run.config.batch_size
    common.console.advance(epoch, images, {name: float(np.mean([terms[name] for terms in last])) for name in last[0]})


def print_epoch(common: Common, epoch: int, metrics: Sequence[Mapping[str, float]]) -> None:
    """Print the mean and range over the runs: `epoch  3/10 | 6 runs | train elbo -101.20 (-103.20 to -99.10)  val elbo ...`."""
    if not metrics or not common.console.prints_epoch(epoch, common.num_epochs):
        return
    parts = []
    for split in ("train", "val"):
        if f"{split}/loss" in metrics[0]:
            name = headline(metrics[0], f"{split}/")[0]
            values = [headline(each, f"{split}/")[1] for each in metrics]
            mean, low, high = (
                format_value(name, value) for value in (float(np.mean(values)), min(values), max(values))
            )
            parts.append(f"{split} {name} {mean} ({low} to {high})")
    runs = f"{len(metrics)} run{'s' * (len(metrics) > 1)}"
    width = len(str(common.num_epochs))
    common.console.line(f"epoch {epoch:>{width}}/{common.num_epochs} | {runs} | " + "  ".join(parts))
