"""One epoch: its chunks of steps, then validation, the log and a checkpoint."""

import math
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array

from vae_jax.evaluation.per_image import PerImage
from vae_jax.randomness import epoch_order
from vae_jax.system import processes
from vae_jax.training.chunks import chunk_size
from vae_jax.training.prepare import Training
from vae_jax.training.saving import diverged, save
from vae_jax.training.session import Progress, Session, best_metric


def train_epoch(training: Training, session: Session) -> Session:
    """Train until the current epoch ends, or until the current chunk ends if a stop is requested."""
    config, profile, state = training.config, session.profile, session.whole_state()
    epoch, position = divmod(session.progress.step, training.steps_per_epoch)
    order = epoch_order(config.seed, epoch, len(training.dataset.train.images), config.batch_size)
    pending = None
    while position < training.steps_per_epoch and not processes.agree(session.stop):
        step, left = epoch * training.steps_per_epoch + position, training.steps_per_epoch - position
        most = min(training.steps_per_dispatch, profile.most_steps)
        rows = order[position : position + chunk_size(step, config.log.latent_every_steps, left, most)]
        profile.before()
        images, labels = training.feed.images(rows, step), training.feed.labels(rows)
        state, metrics = training.chunk(state, *images, training.key_train, training.hparams, labels)
        position += len(rows)
        trace = profile.after(len(rows), metrics)
        if trace is not None:
            session.console.line(f"trace: {trace}")
        # A chunk's metrics are fetched when the next chunk is on its way, so that the device need not wait for them.
        if pending is not None:
            session = add_metrics(training, session, pending)
        pending = metrics
        session.frames.record(step + len(rows), state.params)
    if pending is not None:
        session = add_metrics(training, session, pending)
    return session._replace(state=state)


def add_metrics(training: Training, session: Session, metrics: Mapping[str, Array | np.ndarray]) -> Session:
    """Add the metrics [T] of a chunk to the epoch's sums.

    Raises:
        TrainingError: a metric is not finite.
    """
    progress = session.progress
    values = {name: np.asarray(steps, np.float64) for name, steps in jax.device_get(metrics).items()}
    finite = np.isfinite(np.stack(list(values.values()))).all(axis=0)
    if not finite.all():
        first = int(finite.argmin())
        at_first = {name: float(steps[first]) for name, steps in values.items()}
        raise diverged(training, progress.step + first + 1, at_first, session.checkpoints)
    sums = {name: progress.sums.get(name, 0.0) + float(steps.sum()) for name, steps in values.items()}
    epoch, batch_size = progress.step // training.steps_per_epoch, training.config.batch_size
    last = {name: float(steps[-1]) for name, steps in values.items()}
    session.console.advance(epoch + 1, finite.size * batch_size, last)
    return session._replace(progress=progress._replace(step=progress.step + finite.size, sums=sums))


def schedule(training: Training, progress: Progress) -> tuple[bool, bool]:
    """Return (validated, saved) for the epoch that ends here; the last epoch is always both."""
    epoch = progress.step // training.steps_per_epoch
    last = epoch == training.config.num_epochs
    validated, saved = _regular(training, epoch)
    return validated or last, saved or last


def _regular(training: Training, epoch: int) -> tuple[bool, bool]:
    return epoch % training.config.eval.every_epochs == 0, epoch % training.checkpoint_epochs == 0


def end_epoch(training: Training, session: Session, validation: Mapping[str, float] | None = None) -> Session:
    """At the end of an epoch, validate, log and save, each on its own schedule.

    The schedule depends on the epoch's number alone, so a resumed run keeps it.

    Args:
        training: the run's functions and data.
        session: its state may be None if it is not saved and needs no validation, or `validation` is given.
        validation: the metrics of `summarize_validation`, if they are known already.

    Raises:
        TrainingError: a metric or a parameter is not finite.
    """
    config, progress, epoch = training.config, session.progress, session.progress.step // training.steps_per_epoch
    metrics = {f"train/{name}": value / training.steps_per_epoch for name, value in progress.sums.items()}
    validated, saved = schedule(training, progress)
    score, improved = None, False
    if validated:
        if validation is None:
            found = training.evaluate(session.whole_state(), training.key_eval, training.dataset.val, training.hparams)
            validation = summarize_validation(found)
        metrics |= validation
        if not all(map(math.isfinite, metrics.values())):
            raise diverged(training, progress.step, metrics, session.checkpoints)
    # While the KL's weight still grows, scores cannot be compared. If no checkpoint has a score, the latest is the best.
    if validated and saved and epoch >= training.objective.stable_after_epoch:
        score = _score(training, metrics)
        improved = progress.best is None or score > progress.best
        # A last epoch off the schedule is a candidate for the best checkpoint, but early stopping does not count it: a
        # run that is extended later must stop where an uninterrupted one does. Only saved epochs count as stale.
        if all(_regular(training, epoch)):
            best, stale = (score, 0) if improved else (progress.best, progress.stale + 1)
            progress = progress._replace(best=best, stale=stale)
    session = session._replace(progress=progress._replace(sums={}))
    session.writer.write(progress.step, epoch, metrics)
    session.console.epoch_line(epoch, config.num_epochs, metrics, improved)
    if saved:
        save(training, session, score)
    return session


def summarize_validation(per_image: PerImage) -> dict[str, float]:
    """Return `val/elbo` and the other means over the validation images."""
    return {f"val/{name}": value for name, value in per_image.metrics.items()}


def _score(training: Training, metrics: dict[str, float]) -> float:
    """Return the number by which checkpoints are compared; higher is better."""
    name = best_metric(training, training.config.checkpoint.best_metric)
    return metrics[name] if name == "val/elbo" else -metrics[name]
