"""The config of a stranger: this version knows all of it, and it names nothing on the machine of the person who reads it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vae_jax.artifacts.about import PORTABLE
from vae_jax.config import flatten, from_json
from vae_jax.config.combinations import problems_without_folders
from vae_jax.config.registries import NAMES
from vae_jax.config.table import BY_NAME
from vae_jax.config.validation import key_problems
from vae_jax.errors import InputError, shown
from vae_jax.types import Config

DATASET = re.compile(r"[A-Za-z]\w*((/\w[\w+-]*([.]\w+)*)+(:[\d.]+)?)?", re.ASCII)
"""A name of ours or of TFDS, such as emnist/letters. TFDS would fetch huggingface:user/set, and may run its code."""


def config_of(values: Any, path: Path, writer: str) -> Config:
    """Return a config that this version knows, with the keys that stay on a machine at their defaults.

    Args:
        values: the config in config.json.
        path: the file, for messages.
        writer: the version that wrote it, as text.

    Raises:
        InputError: it has an unknown key or entry, a wrong value, or a key of a folder or of anything else on a machine.
    """
    try:
        config = from_json(json.dumps(values), str(path))
    except InputError as error:
        problems = str(error).removeprefix(f"{path}: ").split("\n")
    else:
        flat = flatten(config)
        if foreign := _of_a_machine(flatten(values)) + _dataset_problems(config.dataset):
            raise InputError(f"{path}: refused, {foreign[0]}{_more(foreign)}")
        problems = key_problems(flat, NAMES) or problems_without_folders(_as_if_public(flat))
        if not problems:
            return config
    raise InputError(f"{path}: a config that this version does not know{writer}: {problems[0]}{_more(problems)}")


def _more(problems: list[str]) -> str:
    return f" (and {len(problems) - 1} more)" * (len(problems) > 1)


def _of_a_machine(given: Mapping[str, Any]) -> list[str]:
    """Return a line for each key by which a config would act on the machine of its reader."""
    return [
        f"{name}={shown(value)}: a key of the reader's machine, which a shared model may not set"
        for name, value in given.items()
        if name not in PORTABLE and value != BY_NAME[name].default
    ]


def _dataset_problems(name: str) -> list[str]:
    if DATASET.fullmatch(name):
        return []
    return [f"dataset={shown(name)}: not the name of a data set; choices: one such as mnist or emnist/letters"]


def _as_if_public(flat: dict[str, Any]) -> dict[str, Any]:
    """Return a flat config for checks of its model alone: rules of a person's own images are not the model's."""
    own = flat["dataset"] in ("folder", "arrays")
    return flat | {"dataset": "digits", "val_fraction": flat["val_fraction"] or 0.1} if own else flat
