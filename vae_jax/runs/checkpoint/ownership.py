"""The part of a training state that a checkpoint holds, and whether a checkpoint belongs to a run."""

import json
from collections.abc import Collection
from typing import Any

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.runs.checkpoint import Info, Restored
from vae_jax.types import Config

FORMAT = 1
"""The format of the JSON item that a checkpoint holds beside arrays."""


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
