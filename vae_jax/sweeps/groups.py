"""Which runs of a sweep can be trained as one program."""

from collections.abc import Sequence
from typing import Any

from vae_jax.config import flatten
from vae_jax.errors import InputError
from vae_jax.training.step import HPARAMS
from vae_jax.types import Config

JOINED = frozenset({"seed", "num_epochs", *HPARAMS})
"""Keys in which the runs of a population may differ: they are no part of its compiled program."""
LOOKED_AT = ("log.latent_every_steps", "log.profile")
"""Keys of what is looked at while a run trains, alone: its latents, its time."""


def groups(configs: Sequence[Config]) -> list[list[int]]:
    """Places of the configs that can be trained as one program, in the order of the first of each group.

    They are equal but for JOINED. A run that is filmed (`log.latent_every_steps`) or traced (`log.profile`) is a group of its
    own.
    """
    found: dict[tuple, list[int]] = {}
    for i, config in enumerate(configs):
        own = _apart(config)
        alone = i if any(own[key] for key in LOOKED_AT) else None
        found.setdefault((alone, *own.items()), []).append(i)
    return list(found.values())


def _apart(config: Config) -> dict[str, Any]:
    """What keeps runs apart where it differs."""
    return {key: value for key, value in flatten(config).items() if key not in JOINED}


def keys_apart(configs: Sequence[Config]) -> list[str]:
    """The keys that keep runs out of one program, each with its values: `hidden_dims=(64,),(128,)`."""
    flats = [_apart(config) for config in configs]
    told = []
    for key in dict.fromkeys(key for flat in flats for key in flat):
        values = list(dict.fromkeys(flat[key] for flat in flats if key in flat))
        if len(values) > 1 or (key in LOOKED_AT and values[0]):
            told.append(f"{key}={','.join(map(str, values))}")
    return told


def refuse_lone(configs: Sequence[Config]) -> None:
    """Refuse several runs of which no two can join.

    Raises:
        InputError: naming the keys that keep them apart.
    """
    if len(configs) > 1 and len(groups(configs)) == len(configs):
        raise InputError(
            f"--population=on: no two of the {len(configs)} runs can be one program: {' '.join(keys_apart(configs))}; runs "
            f"join that differ only in {', '.join(sorted(JOINED))}; choices: "
            "--population=off, auto"
        )
