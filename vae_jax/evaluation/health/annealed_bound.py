"""A bound on log p(x) without the encoder, for an independent measure of the approximation gap."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Float32, PRNGKeyArray, UInt8

from vae_jax.evaluation.estimators import ais_estimate, beta_schedule, make_ais, tune_step_sizes
from vae_jax.evaluation.estimators.tuning import ROUNDS, WARM_UP
from vae_jax.evaluation.health.codes import Labels
from vae_jax.types import Model, Params

IMAGES_OF_A_CALL = 50
"""The most images that are annealed between two reports of progress."""
NUM_TUNING = 10
"""The number of images on which step sizes are tuned."""
TUNED_TEMPERATURES = 50
"""The most temperatures at which step sizes are tuned; sizes vary slowly, so those between are interpolated."""


class Anneal(NamedTuple):
    """The amount of annealing.

    Many temperatures with short trajectories give a tighter bound than few temperatures with long ones.
    """

    num_images: int = 100
    """The most test images, from the first of the refined ones."""
    num_temperatures: int = 400
    num_chains: int = 4
    num_leapfrog: int = 3

    @property
    def name(self) -> str:
        """The name of the bound."""
        return f"ais_{self.num_temperatures}"

    def passes(self, num_images: int) -> tuple[int, int]:
        """Return the numbers of decoder passes with derivative: for the step sizes, and for the bound of so many images."""
        tuned = NUM_TUNING * (WARM_UP + ROUNDS * min(TUNED_TEMPERATURES, self.num_temperatures))
        annealed = min(num_images, self.num_images) * self.num_temperatures
        return self.num_chains * self.num_leapfrog * tuned, self.num_chains * self.num_leapfrog * annealed


def annealed_bound(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    images: UInt8[np.ndarray, "N H W C"],
    others: UInt8[np.ndarray, "M H W C"],
    anneal: Anneal,
    labels: tuple[Labels, Labels] = (None, None),
    progress: Callable[[float], None] = lambda share: None,
) -> Float[np.ndarray, " B"]:
    """Return a bound on log p(x) [B] of the first B = min(N, num_images) images, nats; step sizes are tuned on `others`.

    `labels` are those of the images and of the others, for a conditional model. `progress` is called with the finished share.
    """
    key_tune, key_chains = jax.random.split(key)
    annealed = images[: anneal.num_images]
    own, theirs = labels
    if own is not None and theirs is not None:
        own, theirs = own[: anneal.num_images], theirs[:NUM_TUNING]
    sizes, blocks = _step_sizes(model, params, key_tune, others[:NUM_TUNING], anneal, theirs), []
    chains = make_ais(model, anneal.num_temperatures, anneal.num_chains, anneal.num_leapfrog)
    tuning, annealing = anneal.passes(len(annealed))
    progress(tuning / (tuning + annealing))
    for start in range(0, len(annealed), IMAGES_OF_A_CALL):
        part = slice(start, start + IMAGES_OF_A_CALL)
        classes = None if own is None else own[part]
        for block in chains(params, key_chains, annealed[part], sizes, start, classes):
            blocks.append(block)
            done = (block.start + len(block.log_weights)) / len(annealed)
            progress((tuning + annealing * done) / (tuning + annealing))
    return ais_estimate(blocks).log_p


def _step_sizes(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    images: UInt8[np.ndarray, "M H W C"],
    anneal: Anneal,
    labels: Labels,
) -> Float32[np.ndarray, " T"]:
    """Return a step size per temperature, tuned at some of them. They depend on no chain of the bound, which is so valid."""
    few = min(TUNED_TEMPERATURES, anneal.num_temperatures)
    tuned = tune_step_sizes(model, params, key, images, few, anneal.num_chains, labels, anneal.num_leapfrog)
    betas, places = beta_schedule(anneal.num_temperatures)[1:], beta_schedule(few)[1:]
    return np.exp(np.interp(betas, places, np.log(tuned))).astype(np.float32)
