"""The part of a training state that a checkpoint holds, and whether a checkpoint belongs to a run."""

import json
from collections.abc import Collection
from typing import Any

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.runs.checkpoint import Checkpoints, Info, Restored, Which
from vae_jax.types import Config, TrainState

FORMAT = 1
"""The format of the JSON item that a checkpoint holds beside arrays."""


def saved_part(state: TrainState) -> TrainState:
    """Return the part of a state that a checkpoint holds: hparams come from the config."""
    return state._replace(hparams={})


def restore_state(checkpoints: Checkpoints, like: TrainState, which: Which = "latest") -> Restored | None:
    """Restore a state with the shapes, shardings and hparams of `like`; see `Checkpoints.restore`."""
    restored = checkpoints.restore(saved_part(like), which)
    return restored and restored._replace(state=restored.state._replace(hparams=like.hparams))


def config_of(checkpoint: Info | Restored, source: str) -> Config | None:
    """Return the config that a checkpoint was saved with, or None for runs before format 1; `source` is for messages."""
    stored: Any = checkpoint.info.get("config")
    return None if stored is None else config_lib.from_json(json.dumps(stored), source)


def assert_own(checkpoint: Info | Restored, config: Config, needs: Collection[str]) -> None:
    """Raise InputError unless this run, and this version, wrote the checkpoint; `needs` are names that its info must have.

    The message has a line for each key of another config, or what the format lacks.
    """
    info, name = checkpoint.info, f"the checkpoint of step {checkpoint.step}"
    if info.get("format", FORMAT) != FORMAT:
        raise InputError(f"{name} has format {info['format']}, this version reads format {FORMAT}")
    if missing := [need for need in needs if need not in info]:
        raise InputError(
            f"{name} has an older format, which lacks {', '.join(missing)}; a new run needs another folder"
        )
    theirs = config_of(checkpoint, name)
    if changed := [] if theirs is None else config_lib.differences(theirs, config):
        lines = [f"{key}={new}: {name} has {key}={old}" for key, old, new in changed]
        raise InputError("\n".join([*lines, "it belongs to another run; a new run needs another folder"]))
