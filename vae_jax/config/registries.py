"""The choices of config keys that name an entry of a registry."""

from collections.abc import Collection

from vae_jax.data import known_names
from vae_jax.models import MODELS
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks import ACTIVATIONS, NETWORKS
from vae_jax.objectives import OBJECTIVES

REGISTRIES: dict[str, Collection[str]] = {
    "model": MODELS,
    "network": NETWORKS,
    "activation": ACTIVATIONS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
}


def names(dataset: str) -> dict[str, Collection[str]]:
    """Return the choices of each key that names an entry; data sets of TFDS are listed if `dataset` is not one of ours."""
    return REGISTRIES | {"dataset": known_names(dataset)}
