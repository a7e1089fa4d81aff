"""The convolution and its transpose, with gradients that are fast on a CPU; differentiable in reverse mode only.

The transposed convolution is the adjoint of a strided convolution (Dumoulin and Visin 2016, section 4): the forward pass
of each is the other's gradient for its input, and both have the same gradient for their kernel.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Float

from vae_jax.models.networks import convolution_passes as passes
from vae_jax.models.networks.convolution_passes import (
    Kernel,
    Large,
    Padding,
    Pair,
    Small,
    adjoint,
    gradient_in_parts,
    kernel_gradient,
)

KERNEL = (3, 3)
STRIDES = (2, 2)
GROUP_SIZE = 8
"""The number of channels normalised together. With one, a feature map of one pixel would always be normalised to zero."""


def convolve(x: Large, kernel: Kernel, strides: Pair, padding: Padding, in_parts: bool = False) -> Small:
    """Return the strided convolution `lax.conv_general_dilated(x, kernel, strides, padding)`.

    Args:
        x: [B, H, W, F].
        kernel: [KH, KW, F, O].
        strides: the rows and columns from one output to the next.
        padding: the rows and columns of zeros around x, (before, after) each.
        in_parts: see `convolution_passes.gradient_in_parts`; the gradient of the kernel differs by rounding.

    Returns:
        [B, h, w, O] with h = (H + before + after - KH) // stride + 1.
    """
    return _convolve(x, kernel, strides, padding, in_parts)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolve(x: Large, kernel: Kernel, strides: Pair, padding: Padding, in_parts: bool) -> Small:
    return passes.convolve(x, kernel, strides, padding)


def _convolve_forward(x: Large, kernel: Kernel, strides: Pair, padding: Padding, in_parts: bool) -> tuple[Small, tuple]:
    return _convolve(x, kernel, strides, padding, in_parts), (x, kernel)


def _convolve_backward(
    strides: Pair, padding: Padding, in_parts: bool, residuals: tuple, cotangent: Small
) -> tuple[Large, Kernel]:
    x, kernel = residuals
    gradient = gradient_in_parts if in_parts else kernel_gradient
    return (
        passes.transpose(cotangent, kernel, strides, padding, (x.shape[1], x.shape[2])),
        gradient(x, cotangent, strides, padding, (kernel.shape[0], kernel.shape[1])),
    )


_convolve.defvjp(_convolve_forward, _convolve_backward)


def conv_transpose(
    x: Float[Array, "B h w F"], kernel: Kernel, strides: Pair, padding: Padding
) -> Float[Array, "B H W O"]:
    """Return the transposed convolution `lax.conv_transpose(x, kernel, strides, padding)`.

    Args:
        x: [B, h, w, F].
        kernel: [KH, KW, F, O].
        strides: the numbers of zeros inserted between rows and between columns of x, plus one.
        padding: the rows and columns of zeros around the spread x, (before, after) each; see `padding_to_size`.

    Returns:
        [B, H, W, O] with H = (h - 1) stride + 2 + before + after - KH.
    """
    return _transpose(x, kernel, strides, padding)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _transpose(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> Array:
    around, size = _adjoint_geometry(x, kernel, strides, padding)
    return passes.transpose(x, adjoint(kernel), strides, around, size)


def _transpose_forward(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Array, tuple]:
    return _transpose(x, kernel, strides, padding), (x, kernel)


def _transpose_backward(strides: Pair, padding: Padding, residuals: tuple, cotangent: Array) -> tuple[Array, Kernel]:
    x, kernel = residuals
    around, _ = _adjoint_geometry(x, kernel, strides, padding)
    gradient = kernel_gradient(cotangent, x, strides, around, (kernel.shape[0], kernel.shape[1]))
    return passes.convolve(cotangent, adjoint(kernel), strides, around), adjoint(gradient)


_transpose.defvjp(_transpose_forward, _transpose_backward)


def same_padding(size: tuple[int, ...], kernel_size: Pair, strides: Pair) -> Padding:
    """Return the padding called 'SAME', for which (H, W) = size becomes (ceil(H / stride), ceil(W / stride))."""
    rows, columns = lax.padtype_to_pads(size, kernel_size, strides, "SAME")
    return rows, columns


def padding_to_size(size: Pair, output_size: Pair, kernel_size: Pair, strides: Pair) -> Padding:
    """Return the padding for which a transposed convolution restores the input size of a 'SAME' convolution.

    Args:
        size: (h, w) of the transposed convolution's input, ceil(H / stride) each.
        output_size: the size (H, W) to restore.
        kernel_size: (KH, KW).
        strides: the strides of both convolutions.
    """
    pairs = []
    for small, large, k, stride in zip(size, output_size, kernel_size, strides, strict=True):
        assert small == -(-large // stride), f"{large} by {stride} is not {small}"
        before = k - 1 - max((small - 1) * stride + k - large, 0) // 2
        pairs.append((before, large + k - 2 - (small - 1) * stride - before))
    return pairs[0], pairs[1]


def _adjoint_geometry(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Padding, Pair]:
    """Return (padding, input size (H, W)) of the convolution whose transpose maps x with this padding."""
    pairs, sizes = [], []
    for small, k, stride, (before, after) in zip(x.shape[1:3], kernel.shape, strides, padding, strict=False):
        spread = (small - 1) * stride + 1
        sizes.append(spread + before + after - k + 1)
        pairs.append((k - 1 - before, spread + before - sizes[-1]))
    return (pairs[0], pairs[1]), (sizes[0], sizes[1])
