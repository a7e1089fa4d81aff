"""A convolution of an image at twice its size by nearest neighbours, without computing that image."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.models.networks.convolution import convolve
from vae_jax.models.networks.convolution_passes import Kernel

PADDINGS = ((1, 0), (0, 1))
"""The padding for even and for odd outputs: they meet a pixel and the one before or behind it."""


def convolve_doubled(x: Float[Array, "B h w F"], kernel: Kernel) -> Float[Array, "B H W O"]:
    """Return the 3x3 convolution, with zeros around, of x at twice its size by nearest neighbours.

    Of the 3 x 3 pixels that an output meets only 2 x 2 differ, so the outputs at even or odd rows and columns are 2x2
    convolutions of x, whose kernels are sums of the taps that meet the same pixel: 4/9 of the products.

    Args:
        x: [B, h, w, F].
        kernel: [3, 3, F, O].

    Returns:
        [B, 2 h, 2 w, O].
    """
    batch, height, width, _ = x.shape

    def phase(row: int, column: int) -> Float[Array, "B h w O"]:
        own = _joined(_joined(kernel, 0, row), 1, column)
        return convolve(x, own, (1, 1), (PADDINGS[row], PADDINGS[column]), in_parts=True)

    rows = [jnp.stack([phase(row, column) for column in range(2)], axis=3) for row in range(2)]
    return jnp.stack(rows, axis=2).reshape(batch, 2 * height, 2 * width, kernel.shape[3])


def _joined(kernel: Kernel, axis: int, phase: int) -> Float[Array, "I J F O"]:
    """Add the two of three taps along an axis that meet the same pixel: the last two for even outputs, the first for odd."""
    first, middle, last = jnp.split(kernel, 3, axis=axis)
    pair = (first + middle, last) if phase else (first, middle + last)
    return jnp.concatenate(pair, axis=axis)
