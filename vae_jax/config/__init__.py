"""Configuration: the table of keys, its checks, and the identity of a run."""

from vae_jax.config import keys
from vae_jax.config.identity import differences, from_json, run_name, to_json
from vae_jax.config.keys import KEYS, Key, defaults, flatten, table
from vae_jax.config.reading import load_file, override
from vae_jax.config.validation import text_problems, validate

__all__ = [
    "KEYS",
    "Key",
    "defaults",
    "differences",
    "flatten",
    "from_json",
    "keys",
    "load_file",
    "override",
    "run_name",
    "table",
    "text_problems",
    "to_json",
    "validate",
]
