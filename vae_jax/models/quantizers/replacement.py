"""The gradients that pass a vector's replacement by its code: straight through, or rotated (Fifty et al. 2025)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.models.quantizers.quantizer import Vectors

OPPOSITE = 1e-3
"""The length of the sum of two unit vectors below which they count as opposite: rounding hides the direction of the sum."""
SMALLEST = 1e-12
"""The length up to which a vector has no direction."""

Directions = Float[Array, "*N D"]


def straight_through(vectors: Vectors, codes: Vectors) -> Vectors:
    """Return the codes, to the last bit; their Jacobian for the vectors is I."""
    # The difference is 0, and not vectors + (code - vectors): the sum is the code to the last bit.
    return codes + (vectors - jax.lax.stop_gradient(vectors))


def rotated(vectors: Vectors, codes: Vectors) -> Vectors:
    """Return the codes, to the last bit; the Jacobian of each for its vector is lambda R, both constants.

    R is the rotation of the vector's direction to the code's that leaves all directions perpendicular to both as they are, and
    lambda is the code's length over the vector's. A vector of length 0 has the Jacobian I.
    """
    before, after = jax.lax.stop_gradient((vectors, codes))
    size, length = (jnp.linalg.norm(one, axis=-1, keepdims=True) for one in (before, after))
    scale = jnp.where(size > SMALLEST, length / jnp.maximum(size, SMALLEST), 1.0)
    moved = jnp.where(size > SMALLEST, scale * rotate(unit(before), unit(after), vectors), vectors)
    return codes + (moved - jax.lax.stop_gradient(moved))


def rotate(u: Directions, e: Directions, x: Directions) -> Directions:
    """Return R x for the rotation R of the direction u to the direction e, for vectors of two numbers or more.

    R is two reflections, one after the other: the first turns u to -e, the second -e to e. So it is orthogonal, with
    determinant 1, whatever the rounding of the first one's direction. If u = -e, the first leaves u as it is: R is then half a
    turn in a plane that e and the axis farthest from e span.
    """
    between = u + e
    opposite = jnp.linalg.norm(between, axis=-1, keepdims=True) < OPPOSITE
    axis = jax.nn.one_hot(jnp.abs(e).argmin(axis=-1), e.shape[-1], dtype=e.dtype)
    across = axis - e * (axis * e).sum(axis=-1, keepdims=True)
    return _reflected(_reflected(x, unit(jnp.where(opposite, across, between))), e)


def unit(vectors: Directions) -> Directions:
    """Return vectors of length 1; a vector of length 0 stays as it is, with a finite gradient."""
    return vectors / jnp.sqrt(jnp.maximum(jnp.square(vectors).sum(axis=-1, keepdims=True), SMALLEST**2))


def _reflected(x: Directions, direction: Directions) -> Directions:
    return x - 2 * direction * (direction * x).sum(axis=-1, keepdims=True)
