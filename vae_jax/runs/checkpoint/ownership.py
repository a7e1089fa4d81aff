"""What a checkpoint holds: which part of a state, its shapes, and whose it is."""

import json
from collections.abc import Collection

import jax
import jax.numpy as jnp

from vae_jax import config as config_lib
from vae_jax.runs.checkpoint import Restored
from vae_jax.training.optimizers import make_optimizer
from vae_jax.types import TrainState
from vae_jax.training.step import init_state
from vae_jax.types import Config, Model
from vae_jax.errors import InputError

FORMAT = 1
"""Of what a checkpoint holds beside arrays."""


def abstract_state(config: Config, model: Model, shape: tuple[int, int, int]) -> TrainState:
    """Shapes and dtypes of the state that a run of this config saves; nothing is computed."""

    def state() -> TrainState:
        params = model.init(jax.random.key(0), jnp.zeros(shape))
        return saved(init_state(config, params, make_optimizer(config, 1)))

    return jax.eval_shape(state)


def saved(state: TrainState) -> TrainState:
    """The part of a state that a checkpoint holds: hparams come from the config."""
    return state._replace(hparams={})


def assert_own(restored: Restored, config: Config, needs: Collection[str]) -> None:
    """Refuse a checkpoint that this run, or this version, did not write.

    Args:
        restored: its info is looked at; of runs before format 1 it may lack the config.
        config: the run's.
        needs: names that the info must have.

    Raises:
        InputError: a line for each key of another config, or what the format lacks.
    """
    info, name = restored.info, f"the checkpoint of step {restored.step}"
    if info.get("format", FORMAT) != FORMAT:
        raise InputError(f"{name} has format {info['format']}, this version reads format {FORMAT}")
    if lacking := [need for need in needs if need not in info]:
        raise InputError(
            f"{name} has an older format, which lacks {', '.join(lacking)}; a new run needs another folder"
        )
    if "config" in info:
        theirs = config_lib.from_json(json.dumps(info["config"]), name)
        changed = config_lib.differences(theirs, config)
        if changed:
            lines = [f"{key}={new}: {name} has {key}={old}" for key, old, new in changed]
            raise InputError("\n".join([*lines, "it is another run's; a new run needs another folder"]))
