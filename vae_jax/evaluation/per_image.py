"""What evaluation returns: the terms of each image of a split, and the metrics computed from them."""

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from vae_jax.evaluation.aggregate_posterior import Aggregate

METRICS = ("elbo", "reconstruction", "kl", "loss", "mse", "mse_mean", "bits_per_dim", "active_units")
"""The order in which metrics are printed; any others come last."""
ACTIVE_VARIANCE = 0.01
"""A latent dimension is active if the variance of its posterior mean over the data is above this (Burda et al. 2016)."""


class PerImage(NamedTuple):
    """The results of an evaluation. Those of a population have a leading axis of runs; `of` takes one run."""

    terms: dict[str, Float[np.ndarray, " N"]]
    """The objective's terms without dropout, and mse_mean."""
    means: Float[np.ndarray, "N Z"]
    """Posterior means."""
    aggregate: Aggregate | None = None
    """None for a model without a prior."""
    num_discrete: int = 0
    """H W C if the pixels are discrete, else 0: a density has no bits_per_dim."""

    def of(self, i: int) -> "PerImage":
        """Return the results of run i of a population, whose arrays have a leading axis of runs."""
        terms, means, aggregate = jax.tree.map(lambda values: values[i], (self.terms, self.means, self.aggregate))
        return PerImage(terms, means, aggregate, self.num_discrete)

    @property
    def metrics(self) -> dict[str, float]:
        """The means over the split in float64. A model with a prior has active_units too, and bits_per_dim if its pixels
        are discrete.

        bits_per_dim is -elbo / (H W C ln 2): an upper bound on the value that the nll gives.
        """
        metrics = {name: float(values.astype(np.float64).mean()) for name, values in self.terms.items()}
        if self.aggregate is not None:
            if self.num_discrete:
                metrics["bits_per_dim"] = -metrics["elbo"] / (self.num_discrete * math.log(2))
            metrics["active_units"] = active_units(self.means)
        return {name: metrics[name] for name in (*METRICS, *metrics) if name in metrics}


def active_units(means: Float[np.ndarray, "N Z"]) -> int:
    """Return the number of latent dimensions whose posterior mean varies over the data (Burda et al. 2016, appendix C)."""
    return int((means.astype(np.float64).var(axis=0) > ACTIVE_VARIANCE).sum())
