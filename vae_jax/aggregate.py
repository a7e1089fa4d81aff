"""What one sampled z an image shows of the latent space, as sums over images: nothing of it grows with their number."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vae_jax.types import Model, Params, PerExample


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


def from_standard(model: Model, params: Params, z: Any) -> PerExample:
    """log p(z) - log p(0) + |z|^2 / 2 [B], nats: 0 where the prior is N(0, I), NaN where z is no single array [B, Z]."""
    leaves = jax.tree.leaves(z)
    if len(leaves) > 1 or leaves[0].ndim != 2 or model.log_prior is None:
        return jnp.full(len(leaves[0]), jnp.nan)
    at_zero = model.log_prior(params, jax.tree.map(jnp.zeros_like, z))
    return model.log_prior(params, z) - at_zero + 0.5 * jnp.square(leaves[0]).sum(axis=1)


def is_standard(mean_from_standard: float, size: int) -> bool:
    """Whether the prior of `size` dimensions is N(0, I), from the mean of |`from_standard`|: float32 rounds it."""
    return bool(mean_from_standard <= 1e-3 + 1e-5 * size)


def flat(z: Any) -> Float[Array, "B Z"]:
    """All numbers of a z, whatever its structure."""
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(z)], axis=1)
