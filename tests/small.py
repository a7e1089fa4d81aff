"""The config of a run that takes a second."""

from ml_collections import ConfigDict

from vae_jax import config as config_lib

TINY = {"hidden_dims": (16,), "latent_dim": 3, "batch_size": 64, "num_epochs": 3}


def small_config(**changes) -> ConfigDict:
    """A run on the digits that takes a second, with changes by key; dots as `checkpoint__every_epochs`."""
    flat = config_lib.flatten(config_lib.defaults()) | TINY
    flat |= {name.replace("__", "."): value for name, value in changes.items()}
    return config_lib.keys.nest(flat)
