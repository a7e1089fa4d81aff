"""The identity of a run: the keys that decide it, the directory name, and the config as JSON."""

import hashlib
import json
import os
from typing import Any

from vae_jax.config.reading import without_unread
from vae_jax.config.table import KEYS, RENAMED, flatten, nest, unread
from vae_jax.config.validation import as_reals, completed, key_problems
from vae_jax.errors import InputError, shown
from vae_jax.types import Config


def differences(old: Config, new: Config) -> list[tuple[str, Any, Any]]:
    """Return (key, old value, new value) for every identity key in which two configs differ, if one of them reads it."""
    a, b = flatten(old), flatten(new)
    names = [key.name for key in KEYS if key.identity and a[key.name] != b[key.name]]
    neither = unread(a).keys() & unread(b).keys() if names else ()
    return [(name, a[name], b[name]) for name in names if name not in neither]


def run_name(config: Config, name: str) -> str:
    """Return the directory name of a run: config file's name, data set, latent size, and a hash of its identity.

    The hash leaves out keys at their default, so that a key added later renames no older run.
    """
    flat = flatten(config)
    identity = {key.name: flat[key.name] for key in KEYS if key.identity and flat[key.name] != key.default}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:6]
    dataset = "".join(c if c.isalnum() else "_" for c in config.dataset)
    latent = f"grid{config.latent_grid}" if config.latent_grid else f"z{config.latent_dim}"
    if config.dataset == "codes":
        latent = os.path.basename(config.data_dir)
    return f"{name}-{dataset}-{latent}-{digest}"


def to_json(config: Config) -> str:
    """Return the config as indented JSON; `from_json` returns an equal config."""
    return json.dumps(config.to_dict(), indent=2) + "\n"


def from_json(text: str | bytes, source: str) -> Config:
    """Return the config of `to_json`'s text. Lists become tuples; keys that a run lacks, or does not read, take their defaults.

    Raises:
        InputError: the text is not a JSON object, is of an older version, or has unknown keys or wrong values, a line for each;
            `source` names the origin of the text.
    """
    try:
        values = json.loads(text if isinstance(text, str) else text.decode())
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
        found = as_reals(flatten(values))
    except ValueError as error:
        raise InputError(f"{source}: not a run's configuration: {shown(error)}") from None
    except RecursionError:
        raise InputError(f"{source}: not a run's configuration: nested too deeply") from None
    if old := sorted(found.keys() & RENAMED.keys()):
        raise InputError(
            f"{source}: a run of an older version, with the key {old[0]}, which is now {RENAMED[old[0]]}; "
            "this version cannot read it: train it again"
        )
    problems = key_problems(found, {})
    if problems:
        raise InputError("\n".join(f"{source}: {problem}" for problem in problems))
    # The default of a key that the run does not read may have been another one when it was written.
    return without_unread(nest(completed(found)))[0]
