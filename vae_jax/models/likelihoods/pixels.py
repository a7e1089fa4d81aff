"""Sums and means over the pixels of an image."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.types import PerExample


def sum_pixels(values: Float[Array, "B H W C"]) -> PerExample:
    """Return the sum over each image, [B, H, W, C] -> [B].

    On a CPU it is a matrix product with ones. XLA would fuse a plain sum with the exponentials before it into a loop that
    is not vectorised (Bernoulli log-probability, MNIST, batches of 128: 1.4 ms instead of 0.24 ms).
    """

    def product(values: Float[Array, "B H W C"]) -> PerExample:
        flat = values.reshape(len(values), math.prod(values.shape[1:]))
        return jnp.dot(flat, jnp.ones(flat.shape[1], flat.dtype), precision=jax.lax.Precision.HIGHEST)

    return jax.lax.platform_dependent(values, cpu=product, default=lambda values: values.sum(axis=(1, 2, 3)))


def mean_pixels(values: Float[Array, "B H W C"]) -> PerExample:
    """Return the mean over each image's pixels and channels, [B, H, W, C] -> [B]."""
    return sum_pixels(values) / math.prod(values.shape[1:])
