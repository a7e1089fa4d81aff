"""Moments of the aggregate posterior from one z per image, kept as running sums, so memory does not grow with the data."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float


class SampledLatents(NamedTuple):
    """One z ~ q(z|x) for each of B images."""

    kl_terms: Float[Array, "*P B K"]
    """Terms of KL(q(z|x) || p(z)), nats."""
    z: Float[Array, "*P B F"]
    """The view of z."""


class Aggregate(NamedTuple):
    """Means over images, in float64."""

    kl: Float[np.ndarray, "*P K"]
    """The mean of `kl_terms`, nats."""
    z: Float[np.ndarray, "*P F"]
    squared_z: Float[np.ndarray, "*P F"]

    @property
    def variance(self) -> Float[np.ndarray, "*P F"]:
        """The variance of z over images and samples, which is that of the aggregate posterior."""
        return self.squared_z - np.square(self.z)


def sums_of(latents: Any, axis: int) -> Aggregate:
    """Return sums, not yet means, over the images, which are along this axis."""
    kl_terms, z = (np.asarray(values, np.float64) for values in latents)
    return Aggregate(*(values.sum(axis=axis) for values in (kl_terms, z, np.square(z))))
