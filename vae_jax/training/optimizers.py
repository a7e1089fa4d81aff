"""Optimizers and schedules, composed from optax."""

import numpy as np
import optax

from vae_jax.types import Config

STAGES = 8
"""Of the staircase."""
LAST_STEP = 2**31 - 1
"""That an int32 counts to."""


def make_optimizer(config: Config, steps_per_epoch: int) -> optax.GradientTransformation:
    """The optimizer that config names, for a peak learning rate of 1.

    The train step multiplies its updates by `hparams["learning_rate"]`, a traced number, so that runs that differ in it
    are one compiled program; every optimizer here is linear in its learning rate, so nothing else changes.
    """
    scalings = {
        "adam": lambda: [optax.scale_by_adam(config.adam_b1, config.adam_b2, config.adam_eps)],
        "adamw": lambda: [
            optax.scale_by_adam(config.adam_b1, config.adam_b2, config.adam_eps),
            optax.add_decayed_weights(config.weight_decay),
        ],
        "rmsprop": lambda: [optax.scale_by_rms(config.adam_b2, config.adam_eps)],
        "sgd": lambda: [],
    }
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    return optax.chain(
        *clip, *scalings[config.optimizer](), optax.scale_by_learning_rate(make_schedule(config, steps_per_epoch))
    )


def make_schedule(config: Config, steps_per_epoch: int) -> optax.Schedule:
    """(step) -> factor on the learning rate: linear warm-up from 0, then constant at 1, half a cosine to 0, or a staircase.

    The cosine ends after `schedule_epochs`, warm-up included, and stays there. The staircase is that of Burda et al. (2016,
    section 5): 10^(-i/7) for 3^i epochs, i = 0 to 7, 3,280 epochs in all; after them it stays.
    """
    warmup, end = (
        min(round(epochs * steps_per_epoch), LAST_STEP) for epochs in (config.warmup_epochs, config.schedule_epochs)
    )
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(1.0, max(1, end - warmup))
    elif config.schedule == "staircase":
        ends = np.cumsum([3**stage * steps_per_epoch for stage in range(STAGES)])
        after = optax.piecewise_constant_schedule(1.0, {int(end): 10 ** (-1 / 7) for end in ends[:-1]})
    else:
        after = optax.constant_schedule(1.0)
    return optax.join_schedules([optax.linear_schedule(0.0, 1.0, warmup), after], [warmup]) if warmup else after
