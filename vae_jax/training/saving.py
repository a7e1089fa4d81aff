"""Saving a run's state, and the error of a run that diverges."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from vae_jax.errors import TrainingError
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.checkpoint.ownership import FORMAT
from vae_jax.system import devices
from vae_jax.training.prepare import Training
from vae_jax.training.session import Session
from vae_jax.training.step import copy_state
from vae_jax.types import Params


def save(training: Training, session: Session, score: float | None) -> None:
    """Save the state and the progress in the background while training continues.

    Args:
        training: the run's functions and data.
        session: its state is not donated; the next chunk may reuse its buffers.
        score: the number by which the best checkpoint is chosen; None: any checkpoint with a score is better.

    Raises:
        TrainingError: a parameter is not finite.
    """
    step = session.progress.step
    copy = copy_state(session.whole_state())  # the next chunk takes the buffers while this is written
    if not _all_finite(copy.params):
        raise diverged(training, step, {"parameters": math.nan}, session.checkpoints)
    info = session.progress._asdict() | {
        "format": FORMAT,
        "spec": training.spec._asdict(),
        "data": training.data_digest,
        "config": training.config.to_dict(),
        "devices": devices.describe(),
    }
    session.checkpoints.save(step, copy, info, score)


def save_unless_saved(training: Training, session: Session) -> None:
    """Save the state without a score, unless nothing is trained yet or a checkpoint of its step is there."""
    if session.progress.step and session.checkpoints.latest_step() != session.progress.step:
        save(training, session, None)


@jax.jit
def _all_finite(params: Params) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()


def diverged(training: Training, step: int, values: dict[str, float], checkpoints: Checkpoints) -> TrainingError:
    """Return the error of a run whose values are not finite at a step."""
    checkpoints.wait()
    config = training.config
    bad = ", ".join(f"{name}={value}" for name, value in values.items() if not math.isfinite(value))
    return TrainingError(
        f"step {step} (epoch {(step - 1) // training.steps_per_epoch + 1}): not finite: {bad}; {checkpoints.kept()}\n"
        f"try a smaller learning_rate (now {config.learning_rate:g}), clip_norm=1 (now {config.clip_norm:g}) or "
        f"kl_warmup_epochs (now {config.kl_warmup_epochs:g}), in a new run"
    )
