"""The names that config keys take whose choices are a registry; those of data sets need their sources, and are not here."""

from collections.abc import Collection

from vae_jax.likelihoods import LIKELIHOODS
from vae_jax.models import MODELS
from vae_jax.networks import ACTIVATIONS, NETWORKS
from vae_jax.objectives import OBJECTIVES

REGISTRIES: dict[str, Collection[str]] = {
    "model": MODELS,
    "network": NETWORKS,
    "activation": ACTIVATIONS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
}
