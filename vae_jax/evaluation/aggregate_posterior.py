"""What one sampled z an image shows of the latent space, as sums over images: nothing of it grows with their number."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float


class Latents(NamedTuple):
    """Of B images, one z ~ q(z|x) each."""

    kl_terms: Float[Array, "*P B K"]
    """Nats."""
    z: Float[Array, "*P B Z"]
    from_standard: Float[Array, "*P B"]
    """Of `from_standard`."""


class Aggregate(NamedTuple):
    """Means over images, in float64."""

    kl: Float[np.ndarray, "*P K"]
    """Of `kl_terms`, nats."""
    z: Float[np.ndarray, "*P Z"]
    squared_z: Float[np.ndarray, "*P Z"]
    from_standard: Float[np.ndarray, "*P"]
    """Of its absolute value: 0 where the prior is N(0, I), but for rounding."""

    @property
    def variance(self) -> Float[np.ndarray, "*P Z"]:
        """Of z over images and samples: the aggregate posterior's."""
        return self.squared_z - np.square(self.z)


def sums_of(latents: Any, axis: int) -> Aggregate:
    """Sums, not yet means, over the images, which lie along this axis."""
    kl_terms, z, away = (np.asarray(values, np.float64) for values in latents)
    return Aggregate(*(values.sum(axis=axis) for values in (kl_terms, z, np.square(z), np.abs(away))))
