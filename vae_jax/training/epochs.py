"""One epoch: its chunks of steps, then what is validated, logged and saved at its end."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from vae_jax.errors import TrainingError
from vae_jax.evaluation.per_image import PerImage
from vae_jax.objectives import settled_after
from vae_jax.randomness import epoch_order
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.checkpoint.ownership import FORMAT, saved
from vae_jax.runs.latent_frames import Film
from vae_jax.runs.writer import Writer
from vae_jax.system import devices, processes, signals
from vae_jax.system.console import Console
from vae_jax.system.profiling import Profile
from vae_jax.training.chunks import chunk_size
from vae_jax.training.prepare import Prepared
from vae_jax.training.step import copy_state
from vae_jax.types import Config, Params, TrainState


class Progress(NamedTuple):
    """Where training stands; with the state, all that a checkpoint holds."""

    step: int = 0
    sums: dict[str, float] = {}  # noqa: RUF012
    """Sums of the running epoch's metrics over its steps so far."""
    best: float | None = None
    stale: int = 0
    """Evaluated checkpoints since the best one."""


class Outside(NamedTuple):
    """What the loop talks to."""

    stop: signals.StopRequest
    """Asked by `processes.agree`."""
    checkpoints: Checkpoints
    writer: Writer
    console: Console
    film: Film
    profile: Profile


def train_epoch(run: Prepared, state: TrainState, progress: Progress, outside: Outside) -> tuple[TrainState, Progress]:
    """Train to the end of the running epoch, or of the chunk in which a stop is asked for."""
    config, profile = run.config, outside.profile
    epoch, position = divmod(progress.step, run.steps_per_epoch)
    order = epoch_order(config.seed, epoch, len(run.dataset.train.images), config.batch_size)
    late = None
    while position < run.steps_per_epoch and not processes.agree(outside.stop):
        step, left = epoch * run.steps_per_epoch + position, run.steps_per_epoch - position
        most = min(run.steps_per_dispatch, profile.most_steps)
        rows = order[position : position + chunk_size(step, config.log.latent_every_steps, left, most)]
        profile.before()
        state, metrics = run.chunk(state, *run.feed.images(rows), run.key_train)
        position += len(rows)
        traced = profile.after(len(rows), metrics)
        if traced is not None:
            outside.console.line(f"traced: {traced}")
        # A chunk's metrics are fetched when the next one is on its way, so that the device need not wait for them.
        if late is not None:
            progress = count(run, progress, late, outside)
        late = metrics
        outside.film.record(step + len(rows), state.params)
    if late is not None:
        progress = count(run, progress, late, outside)
    return state, progress


def count(run: Prepared, progress: Progress, metrics: Mapping[str, Array | np.ndarray], outside: Outside) -> Progress:
    """Add the metrics [T] of a chunk to the epoch's sums.

    Raises:
        TrainingError: one of them is not finite.
    """
    values = {name: np.asarray(steps, np.float64) for name, steps in jax.device_get(metrics).items()}
    finite = np.isfinite(np.stack(list(values.values()))).all(axis=0)
    if not finite.all():
        first = int(finite.argmin())
        at_first = {name: float(steps[first]) for name, steps in values.items()}
        raise _diverged(run, progress.step + first + 1, at_first, outside.checkpoints)
    sums = {name: progress.sums.get(name, 0.0) + float(steps.sum()) for name, steps in values.items()}
    epoch, batch_size = progress.step // run.steps_per_epoch, run.config.batch_size
    outside.console.advance(epoch + 1, finite.size * batch_size, float(values["loss"][-1]))
    return progress._replace(step=progress.step + finite.size, sums=sums)


def due(run: Prepared, progress: Progress) -> tuple[bool, bool]:
    """Whether the epoch that ends here is (validated, saved)."""
    epoch = progress.step // run.steps_per_epoch
    return epoch % run.config.eval.every_epochs == 0, epoch % run.checkpoint_epochs == 0


def end_epoch(
    run: Prepared,
    state: TrainState | None,
    progress: Progress,
    outside: Outside,
    validated: Mapping[str, float] | None = None,
) -> Progress:
    """Validate, log and save, each when the epoch's number says so; what a continued run must do too.

    Args:
        run: what the run computes with.
        state: None only where nothing of it is due, or `validated` is given and it is not saved.
        progress: at an epoch's end.
        outside: gets the row, the line and the checkpoint.
        validated: the metrics of `summarize_validation`, where they are known already.

    Raises:
        TrainingError: a metric or a parameter is not finite.
    """
    config, epoch = run.config, progress.step // run.steps_per_epoch
    metrics = {f"train/{name}": value / run.steps_per_epoch for name, value in progress.sums.items()}
    evaluated, saving = due(run, progress)
    score, improved = None, False
    if evaluated:
        if validated is None:
            assert state is not None
            validated = summarize_validation(run, run.evaluate(state, run.key_eval, run.dataset.val))
        metrics |= validated
        if not all(map(math.isfinite, metrics.values())):
            raise _diverged(run, progress.step, metrics, outside.checkpoints)
    if evaluated and saving and epoch >= settled_after(config):
        score = _score(config, metrics)
        improved = progress.best is None or score > progress.best
        best, stale = (score, 0) if improved else (progress.best, progress.stale + 1)
        progress = progress._replace(best=best, stale=stale)
    progress = progress._replace(sums={})
    outside.writer.write(progress.step, epoch, metrics)
    outside.console.epoch_line(epoch, config.num_epochs, metrics, improved)
    if saving:
        assert state is not None
        save(run, state, progress, score, outside.checkpoints)
    return progress


def summarize_validation(run: Prepared, per_image: PerImage) -> dict[str, float]:
    """`val/elbo` and the others, of what was found of each validation image."""
    return {f"val/{name}": value for name, value in per_image.metrics.items()}


def best_metric(config: Config, name: str) -> str:
    """What a value of `checkpoint.best_metric` means to a run: `val/elbo` or `val/loss`."""
    if name == "auto":
        return "val/elbo" if config.objective == "elbo" and config.beta == 1 else "val/loss"
    return name


def _score(config: Config, metrics: dict[str, float]) -> float:
    """The number by which checkpoints are compared, higher is better."""
    name = best_metric(config, config.checkpoint.best_metric)
    return metrics[name] if name == "val/elbo" else -metrics[name]


@jax.jit
def _all_finite(params: Params) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()


def save(run: Prepared, state: TrainState, progress: Progress, score: float | None, checkpoints: Checkpoints) -> None:
    """Save a copy of the state and the progress, beside training.

    Args:
        run: what the run computes with.
        state: not taken; the next chunk may reuse its memory.
        progress: where the state stands.
        score: by which the best checkpoint is chosen; None: it cannot be the best.
        checkpoints: the run's.

    Raises:
        TrainingError: a parameter is not finite.
    """
    copy = saved(copy_state(state))  # the next chunk takes the state's memory while this is still being written
    if not _all_finite(copy.params):
        raise _diverged(run, progress.step, {"parameters": math.nan}, checkpoints)
    told = {"format": FORMAT, "shape": list(run.shape), "data": run.data_digest, "config": run.config.to_dict()}
    info = progress._asdict() | told | {"devices": devices.describe()}
    checkpoints.save(progress.step, copy, info, score)


def _diverged(run: Prepared, step: int, values: dict[str, float], checkpoints: Checkpoints) -> TrainingError:
    checkpoints.wait()
    config = run.config
    bad = ", ".join(f"{name}={value}" for name, value in values.items() if not math.isfinite(value))
    return TrainingError(
        f"step {step} (epoch {(step - 1) // run.steps_per_epoch + 1}): not finite: {bad}; {checkpoints.kept()}\n"
        f"try a smaller learning_rate (now {config.learning_rate:g}), clip_norm=1 (now {config.clip_norm:g}) or "
        f"kl_warmup_epochs (now {config.kl_warmup_epochs:g}), in a run of its own"
    )
