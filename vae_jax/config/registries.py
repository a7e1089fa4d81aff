"""The registries whose entries a config chooses, and the names that its keys may have."""

from collections.abc import Collection, Mapping

from vae_jax.data import known_names
from vae_jax.keys import Entry
from vae_jax.models import MODELS
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks import ACTIVATIONS, NETWORKS
from vae_jax.models.posteriors import POSTERIORS
from vae_jax.models.priors import PRIORS
from vae_jax.models.quantizers import QUANTIZERS
from vae_jax.objectives import OBJECTIVES
from vae_jax.system.trackers import NONE, TRACKERS

REGISTRIES: dict[str, Mapping[str, Entry]] = {
    "model": MODELS,
    "posterior": POSTERIORS,
    "prior": PRIORS,
    "quantizer": QUANTIZERS,
    "network": NETWORKS,
    "likelihood": LIKELIHOODS,
    "objective": OBJECTIVES,
}
"""The key that names an entry -> the registry. An entry may declare such a key, if its own registry comes before."""

NAMES: dict[str, Collection[str]] = {**REGISTRIES, "activation": ACTIVATIONS, "log.tracker": (NONE, *TRACKERS)}
"""The names that a key may have."""


def names(dataset: str) -> dict[str, Collection[str]]:
    """Return the choices of each key that names an entry; data sets of TFDS are listed if `dataset` is not one of ours."""
    return NAMES | {"dataset": known_names(dataset)}
