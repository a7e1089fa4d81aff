"""Optimizers and schedules, composed from optax."""

from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Array

from vae_jax.models import OBJECTIVE
from vae_jax.types import Config, Params

STAGES = 8
"""The number of stages of the staircase."""
LAST_STEP = 2**31 - 1
"""The largest step that an int32 can count."""
CRITIC_B1, CRITIC_B2 = 0.5, 0.9
"""The decays of Adam's moments for a critic (Kim and Mnih 2018, appendix A)."""


def make_optimizer(config: Config, steps_per_epoch: int, critic: bool = False) -> optax.GradientTransformation:
    """Make the optimizer that config names, for a peak learning rate of 1; with a critic, see `_beside_critic`.

    The train step multiplies its updates by `hparams["learning_rate"]`, a traced number, so that runs with different learning
    rates share one compiled program. Every optimizer here is linear in its learning rate, so nothing else changes.
    """
    scalings = {
        "adam": lambda: [optax.scale_by_adam(config.adam_b1, config.adam_b2, config.adam_eps)],
        "adamw": lambda: [
            optax.scale_by_adam(config.adam_b1, config.adam_b2, config.adam_eps),
            _decayed_weights(config.weight_decay),
        ],
        "rmsprop": lambda: [optax.scale_by_rms(config.adam_b2, config.adam_eps)],
        "sgd": lambda: [],
    }
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    optimizer = optax.chain(
        *clip, *scalings[config.optimizer](), optax.scale_by_learning_rate(make_schedule(config, steps_per_epoch))
    )
    if not critic:
        return optimizer
    # The critic's rate is constant: it must follow the codes from the first step, when the model's rate is still warming up,
    # to the last, when that rate is 0.
    adam = optax.scale_by_adam(CRITIC_B1, CRITIC_B2, config.adam_eps)
    return _beside_critic(optimizer, optax.chain(*clip, adam, optax.scale_by_learning_rate(1.0)))


def _decayed_weights(rate: float) -> optax.GradientTransformation:
    """Return `optax.add_decayed_weights` for all parameters but a quantizer's: its codes are places, not weights."""

    def add(path: tuple[Any, ...], update: Array, param: Array) -> Array:
        return update if getattr(path[0], "key", None) == "quantizer" else update + rate * param

    return optax.stateless(lambda updates, params: jax.tree_util.tree_map_with_path(add, updates, params))


def _beside_critic(
    optimizer: optax.GradientTransformation, critic: optax.GradientTransformation
) -> optax.GradientTransformation:
    """Return an optimizer that uses `critic` for params["objective"]; each has its own moments and its own clipping."""

    def owners(params: Params) -> Params:
        owner = {name: "critic" if name == OBJECTIVE else "model" for name in params}
        return {name: jax.tree.map(lambda _, name=name: owner[name], tree) for name, tree in params.items()}

    return optax.partition({"model": optimizer, "critic": critic}, owners)


def make_schedule(config: Config, steps_per_epoch: int) -> optax.Schedule:
    """Make a function (step) -> factor on the learning rate.

    After a linear warm-up from 0 the factor is constant at 1, half a cosine down to 0, or a staircase. The cosine ends after
    `schedule_epochs`, warm-up included, and stays at 0. The staircase is from Burda et al. (2016, section 5): 10^(-i/7) for
    3^i epochs, i = 0 to 7, 3,280 epochs in all; then it stays at its last value.
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
