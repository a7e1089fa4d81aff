"""The part of a training state that a checkpoint holds, and whether a checkpoint belongs to a run."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from vae_jax import config as config_lib
from vae_jax.data.labels import listed
from vae_jax.errors import InputError
from vae_jax.runs.checkpoint import Info, Restored
from vae_jax.types import Config, Spec

FORMAT = 2
"""The format of the JSON item that a checkpoint holds beside arrays."""


def config_of(checkpoint: Info | Restored, source: str) -> Config | None:
    """Return the config that a checkpoint was saved with, or None if it holds none; `source` is for messages."""
    stored: Any = checkpoint.info.get("config")
    return None if stored is None else config_lib.from_json(json.dumps(stored), source)


def spec_of(info: Mapping[str, Any]) -> Spec:
    """Return the facts about the data that a checkpoint's info holds; `assert_own` asserts that they are there."""
    spec = info["spec"]
    height, width, channels = spec["shape"]
    names, levels, codes = (spec.get(name, ()) for name in ("class_names", "levels", "codes"))  # older runs have none
    facts = tuple(names), levels or 0, tuple(codes) if codes else None
    return Spec((height, width, channels), spec["num_classes"], spec["num_train"], *facts)


def assert_same_classes(config: Config, spec: Spec, names: tuple[str, ...]) -> None:
    """Raise InputError unless `names` are the classes with which a conditional model was trained, in the same order."""
    if spec.class_names != names:
        theirs, ours = (listed(list(classes)) or "none" for classes in (spec.class_names, names))
        raise InputError(
            f"condition={config.condition}: the run was trained with the classes {theirs}, and the data have {ours}; "
            "choices: data with those classes, or a new run in another --workdir"
        )


def assert_own(checkpoint: Info | Restored, config: Config, needs: Collection[str]) -> None:
    """Raise InputError unless this run, and this version, wrote the checkpoint; `needs` are names that its info must have.

    The message has a line for each key of another config, or what the format lacks.
    """
    info, name = checkpoint.info, f"the checkpoint of step {checkpoint.step}"
    if (found := info.get("format", 0)) != FORMAT:
        raise InputError(
            f"{name} has format {found}, this version reads format {FORMAT}; a new run needs another folder"
        )
    if missing := [need for need in needs if need not in info]:
        raise InputError(f"{name} lacks {', '.join(missing)}; a new run needs another folder")
    theirs = config_of(checkpoint, name)
    if changed := [] if theirs is None else config_lib.differences(theirs, config):
        lines = [f"{key}={new}: {name} has {key}={old}" for key, old, new in changed]
        raise InputError("\n".join([*lines, "it belongs to another run; a new run needs another folder"]))
