"""What likelihoods with independent pixels share."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.types import Params, PerExample


def no_params(key: PRNGKeyArray) -> Params:
    """`init` of a likelihood without parameters of its own."""
    del key
    return {}


def sum_pixels(values: Float[Array, "B H W C"]) -> PerExample:
    """[B, H, W, C] -> [B], the sum over an image."""
    return jnp.sum(values, axis=(1, 2, 3))
