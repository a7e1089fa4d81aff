"""A bound on log p(x) that owes the encoder nothing, so that what its family loses is not measured by itself alone."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray, UInt8

from vae_jax.evaluation.estimators import ais_estimate, make_ais, tune_step_sizes
from vae_jax.types import Model, Params

NUM_TUNING = 10
"""Images on which step sizes are tuned."""


class Anneal(NamedTuple):
    """How much is annealed."""

    num_images: int = 100
    """Most of the refined test images."""
    num_temperatures: int = 400
    num_chains: int = 16

    @property
    def name(self) -> str:
        """Of the bound."""
        return f"ais_{self.num_temperatures}"


def annealed_bound(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    images: UInt8[np.ndarray, "N H W C"],
    others: UInt8[np.ndarray, "M H W C"],
    anneal: Anneal,
) -> Float[np.ndarray, " B"]:
    """A bound on log p(x) [B] of the first B = min(N, num_images) images, nats; step sizes are tuned on others."""
    key_tune, key_chains = jax.random.split(key)
    found = images[: anneal.num_images]
    sizes = tune_step_sizes(model, params, key_tune, others[:NUM_TUNING], anneal.num_temperatures, anneal.num_chains)
    chains = make_ais(model, anneal.num_temperatures, anneal.num_chains)
    return ais_estimate(chains(params, key_chains, found, sizes)).log_p
