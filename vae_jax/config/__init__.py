"""Configuration: the table of keys, its checks, and the identity of a run."""

from vae_jax.config.identity import differences, from_json, run_name, to_json
from vae_jax.config.reading import load_file, override, without_unread
from vae_jax.config.table import KEYS, defaults, flatten, key_table, nest
from vae_jax.config.validation import text_problems, validate
from vae_jax.config.values import from_values
from vae_jax.keys import Key
from vae_jax.types import Config
