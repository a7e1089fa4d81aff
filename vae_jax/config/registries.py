"""The names that config keys take whose choices are a registry; those of data sets need their sources, and are not here."""

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
    """The names that each key takes whose choices are a registry; of data sets also TFDS's, if `dataset` is none of ours."""
    return REGISTRIES | {"dataset": known_names(dataset)}
