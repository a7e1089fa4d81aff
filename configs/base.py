"""Every key at its default: what the other files of this folder are differences from."""

from vae_jax import config
from vae_jax.types import Config


def get_config() -> Config:
    """The defaults of the table of keys, `python -m vae_jax.main --help`."""
    return config.defaults()
