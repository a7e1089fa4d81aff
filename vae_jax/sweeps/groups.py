"""The runs of a sweep that can be trained as one program."""

from collections.abc import Sequence
from typing import Any

from vae_jax.config import flatten
from vae_jax.errors import InputError
from vae_jax.training.step import HPARAMS
from vae_jax.types import Config

JOINED = frozenset({"seed", "num_epochs", *HPARAMS})
"""The keys in which the runs of a population may differ: they are not part of its compiled program."""
ALONE = ("log.latent_every_steps", "log.profile")
"""The keys that make a run train alone: its latents are recorded, or its time is profiled."""


def groups(configs: Sequence[Config]) -> list[list[int]]:
    """Group the positions of configs that can be trained as one program, in the order of each group's first config.

    The configs of a group are equal except for JOINED. A run with one of the keys ALONE is a group by itself.
    """
    members: dict[tuple, list[int]] = {}
    for i, config in enumerate(configs):
        fixed = _fixed(config)
        alone = i if any(fixed[key] for key in ALONE) else None
        members.setdefault((alone, *fixed.items()), []).append(i)
    return list(members.values())


def _fixed(config: Config) -> dict[str, Any]:
    """Return the keys that must be equal within a group."""
    return {key: value for key, value in flatten(config).items() if key not in JOINED}


def keys_apart(configs: Sequence[Config]) -> list[str]:
    """Return the keys that separate runs into several programs, with their values: `hidden_dims=(64,),(128,)`."""
    flats = [_fixed(config) for config in configs]
    separating = []
    for key in dict.fromkeys(key for flat in flats for key in flat):
        values = list(dict.fromkeys(flat[key] for flat in flats if key in flat))
        if len(values) > 1 or (key in ALONE and values[0]):
            separating.append(f"{key}={','.join(map(str, values))}")
    return separating


def refuse_lone(configs: Sequence[Config]) -> None:
    """Raise InputError, naming the keys that separate them, if there are several runs and no two can be one program."""
    if len(configs) > 1 and len(groups(configs)) == len(configs):
        raise InputError(
            f"--population=on: no two of the {len(configs)} runs can be one program: {' '.join(keys_apart(configs))}; one "
            f"program needs runs that differ only in {', '.join(sorted(JOINED))}; choices: --population=off, auto"
        )
