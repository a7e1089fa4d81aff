"""Every key at its default; the other files of this folder list their differences from it."""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the defaults of the table of keys, which `python -m vae_jax.main --help` prints."""
    return defaults()
