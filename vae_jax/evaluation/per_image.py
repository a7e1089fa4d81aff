"""The evaluation of a split: values for each image, and their means."""

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Int32

from vae_jax.evaluation.aggregate_posterior import Aggregate
from vae_jax.evaluation.code_usage import Usage

METRICS = (
    *("elbo", "reconstruction", "kl", "tc", "loss", "mse", "mse_mean", "psnr", "ssim", "bits_per_dim"),
    "code_log_density",
    *("active_units", "codes_used", "code_perplexity"),
)
"""The order in which metrics are printed; any others come last."""
ACTIVE_VARIANCE = 0.01
"""A latent dimension is active if the variance of its posterior mean over the data is above this (Burda et al. 2016)."""


class PerImage(NamedTuple):
    """The evaluation of a split: a value for each image, and moments over all images."""

    terms: dict[str, Float[np.ndarray, " N"]]
    """The objective's terms without dropout, mse_mean, psnr and ssim; of a prior of codes without noise log p(z)."""
    means: Float[np.ndarray, "N F"] | None
    """The noise-free z of every image, as numbers; None for discrete codes."""
    num_elements: int
    """H W C."""
    discrete: bool
    """True if pixels are discrete, so that there are bits_per_dim."""
    aggregate: Aggregate | None = None
    """Moments of the aggregate posterior, or None if the model has no prior or z is discrete."""
    usage: Usage | None = None
    """The use of discrete codes, or None if z is not discrete."""
    labels: Int32[np.ndarray, " N"] | None = None
    """The classes of the images if the model is conditional."""

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the split in float64; for a model with a prior bits_per_dim and active_units, or the use of its codes.

        bits_per_dim is -elbo / (H W C ln 2): an upper bound on the number that the nll gives.
        """
        metrics = {name: float(values.astype(np.float64).mean()) for name, values in self.terms.items()}
        if self.discrete and "elbo" in metrics:
            metrics["bits_per_dim"] = -metrics["elbo"] / (self.num_elements * math.log(2))
        if self.aggregate is not None and self.means is not None:
            metrics["active_units"] = active_units(self.means, self.labels)
        if self.usage is not None:
            metrics |= self.usage.metrics
        return {name: metrics[name] for name in (*METRICS, *metrics) if name in metrics}

    def of(self, i: int) -> "PerImage":
        """Return the results of run i of a population, whose arrays have a leading axis of runs."""
        values = (self.terms, self.means, self.aggregate, self.usage)
        terms, means, aggregate, usage = jax.tree.map(lambda values: values[i], values)
        return self._replace(terms=terms, means=means, aggregate=aggregate, usage=usage)


def activity(means: Float[np.ndarray, "N Z"], labels: Int[np.ndarray, " N"] | None = None) -> Float[np.ndarray, " Z"]:
    """Return Var_x E_q[z_k], the variance of each posterior mean over the data.

    With labels, those of a conditional model, it is the variance within classes: what differs between them is no information
    about the image that the model was not given.
    """
    means = means.astype(np.float64)
    if labels is None:
        return means.var(axis=0)
    for label in np.unique(labels):
        means[labels == label] -= means[labels == label].mean(axis=0)
    return np.square(means).mean(axis=0)


def is_active(activity: Float[np.ndarray, " Z"], threshold: float = ACTIVE_VARIANCE) -> Bool[np.ndarray, " Z"]:
    """Return True for the latent dimensions whose posterior mean varies over the data (Burda et al. 2016, appendix C)."""
    return activity > threshold


def active_units(means: Float[np.ndarray, "N Z"], labels: Int[np.ndarray, " N"] | None = None) -> int:
    """Return the number of active latent dimensions; see `activity`."""
    return int(is_active(activity(means, labels)).sum())
