"""The doubly reparameterised gradient (Tucker et al. 2019): a factor on the derivative of each sample for its z."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.types import PerExample


def dreg_scale(log_weights: Float[Array, "S B"], num_groups: int, elbo_weight: float) -> Float[Array, "S B"]:
    """Return the factor of each sample's derivative for z.

    With v the normalised weight in its group, (1 - a) v / G becomes (1 - a) v^2 / G, while a / S stays.
    """
    groups = log_weights.reshape(num_groups, len(log_weights) // num_groups, -1)
    normalised = jax.nn.softmax(groups, axis=1).reshape(log_weights.shape)
    if not elbo_weight:
        return normalised
    share = (1 - elbo_weight) * (len(log_weights) // num_groups) * normalised
    return (elbo_weight + share * normalised) / (elbo_weight + share)


@jax.custom_vjp
def scale_derivative(z: Array, scale: PerExample) -> Array:
    """Return z, whose derivative is multiplied by the scale of its row."""
    return z


def _scale_forward(z: Array, scale: PerExample) -> tuple[Array, PerExample]:
    return z, scale


def _scale_backward(scale: PerExample, cotangent: Array) -> tuple[Array, PerExample]:
    return cotangent * scale.reshape(-1, *[1] * (cotangent.ndim - 1)), jnp.zeros_like(scale)


scale_derivative.defvjp(_scale_forward, _scale_backward)
