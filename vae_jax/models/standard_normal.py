"""A numerical test for the prior N(0, I), and the conversion of a z to one array."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.types import Model, Params, PerExample


def flat(z: Any) -> Float[Array, "B Z"]:
    """Return z as one array, whatever its structure."""
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(z)], axis=1)


def from_standard(model: Model, params: Params, z: Any) -> PerExample:
    """Return log p(z) - log p(0) + |z|^2 / 2 [B], nats: 0 if the prior is N(0, I), NaN if z is not one array [B, Z]."""
    leaves = jax.tree.leaves(z)
    if len(leaves) > 1 or leaves[0].ndim != 2 or model.log_prior is None:
        return jnp.full(len(leaves[0]), jnp.nan)
    at_zero = model.log_prior(params, jax.tree.map(jnp.zeros_like, z))
    return model.log_prior(params, z) - at_zero + 0.5 * jnp.square(leaves[0]).sum(axis=1)


def is_standard(mean_from_standard: float, size: int) -> bool:
    """Return True if the prior of `size` dimensions is N(0, I), judged by the mean of |`from_standard`|."""
    # Rounding of the float32 sums over dimensions grows with `size`; 1e-3 is the floor for few dimensions.
    return bool(mean_from_standard <= 1e-3 + 1e-5 * size)
