"""A bound on log p(x) without the encoder, for an independent measure of the approximation gap."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray, UInt8

from vae_jax.evaluation.estimators import ais_estimate, make_ais, tune_step_sizes
from vae_jax.evaluation.health.codes import Labels
from vae_jax.types import Model, Params

NUM_TUNING = 10
"""The number of images on which step sizes are tuned."""


class Anneal(NamedTuple):
    """The amount of annealing."""

    num_images: int = 100
    """The most test images, from the first of the refined ones."""
    num_temperatures: int = 400
    num_chains: int = 16

    @property
    def name(self) -> str:
        """The name of the bound."""
        return f"ais_{self.num_temperatures}"


def annealed_bound(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    images: UInt8[np.ndarray, "N H W C"],
    others: UInt8[np.ndarray, "M H W C"],
    anneal: Anneal,
    labels: tuple[Labels, Labels] = (None, None),
) -> Float[np.ndarray, " B"]:
    """Return a bound on log p(x) [B] of the first B = min(N, num_images) images, nats; step sizes are tuned on `others`.

    `labels` are those of the images and of the others, for a conditional model.
    """
    key_tune, key_chains = jax.random.split(key)
    annealed = images[: anneal.num_images]
    own, theirs = labels
    if own is not None and theirs is not None:
        own, theirs = own[: anneal.num_images], theirs[:NUM_TUNING]
    tuned = others[:NUM_TUNING], anneal.num_temperatures, anneal.num_chains
    sizes = tune_step_sizes(model, params, key_tune, *tuned, theirs)
    chains = make_ais(model, anneal.num_temperatures, anneal.num_chains)
    return ais_estimate(chains(params, key_chains, annealed, sizes, 0, own)).log_p
