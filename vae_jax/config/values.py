"""The config that a Python program gives: a Config, or a dict of keys and values."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from vae_jax.config import named
from vae_jax.config.reading import load_file, without_unread
from vae_jax.config.registries import names
from vae_jax.config.table import flatten, nest
from vae_jax.config.validation import as_reals, key_problems, validate
from vae_jax.errors import InputError, shown
from vae_jax.types import Config

_ABSENT = object()
"""The value of a key that was not given; None may have been."""


def from_values(given: Config | Mapping[str, Any], say: Callable[[str], None] = lambda line: None) -> Config:
    """Return a complete config, validated as on the command line.

    Args:
        given: a Config, or a dict of keys and values over the defaults: {"latent_dim": 2, "log.parameters": True} or
            {"log": {"parameters": True}}. With the key "config", such as {"config": "vae"}, they are over that config, which
            is a name or a file as in --config=vae.
        say: gets a line about keys of that config that nothing reads.

    Raises:
        InputError: one line per problem, naming key, value and choices; or what is given is neither.
    """
    if not isinstance(given, ConfigDict | Mapping):
        choices = (
            f'{{"config": NAME, KEY: VALUE}}, or a Config; choices of NAME: {", ".join(named.nearest(str(given)))}'
        )
        raise InputError(f"config={shown(given)}: not a dict of keys and values, such as {choices}")
    flat = as_reals(flatten(given))
    file = flat.pop("config", _ABSENT)
    if problems := key_problems(flat, names(str(flat.get("dataset", "")))):
        raise InputError("\n".join(problems))
    if file is _ABSENT:
        return validate(nest(flat), names(str(flat.get("dataset", ""))))
    return over_file(str(file), nest(flatten(load_file(str(file))) | flat), flat, say)


def over_file(file: str, config: Config, given: Collection[str], say: Callable[[str], None]) -> Config:
    """Return the config of a file, some of whose keys were given another value, validated.

    A key of the file that no chosen model, prior, network, likelihood or objective reads is left at its default, so that a
    file can be used with another objective, say; `say` gets a line about it.

    Raises:
        InputError: a line for every wrong key, or for a given key that nothing reads.
    """
    config, left = without_unread(config, keep=given)
    if left:
        say(f"{file}: left out, because nothing in this run reads them: {', '.join(left)}")
    return validate(config, names(str(config.get("dataset", ""))))
