"""The convolution and its transpose, with gradients that are fast on a CPU: those of `passes`. Differentiable in reverse only.

The transposed convolution is the adjoint of a strided convolution (Dumoulin and Visin 2016, section 4): each one's forward
pass is the other's gradient for its input, and both have the same gradient for their kernel.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Float

from vae_jax.models.networks.convolution_passes import (
    Kernel,
    Large,
    Padding,
    Pair,
    Small,
    adjoint,
    kernel_gradient,
    narrow,
    widen,
)


def convolve(x: Large, kernel: Kernel, strides: Pair, padding: Padding) -> Small:
    """Strided convolution, as `lax.conv_general_dilated(x, kernel, strides, padding)`.

    Args:
        x: [B, H, W, F].
        kernel: [KH, KW, F, O].
        strides: rows and columns from one output to the next.
        padding: rows and columns of zeros, before and after, put around x.

    Returns:
        [B, h, w, O] with h = (H + before + after - KH) // stride + 1.
    """
    return _convolve(x, kernel, strides, padding)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: Large, kernel: Kernel, strides: Pair, padding: Padding) -> Small:
    return narrow(x, kernel, strides, padding)


def _convolve_forward(x: Large, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Small, tuple]:
    return _convolve(x, kernel, strides, padding), (x, kernel)


def _convolve_backward(strides: Pair, padding: Padding, residuals: tuple, cotangent: Small) -> tuple[Large, Kernel]:
    x, kernel = residuals
    return (
        widen(cotangent, kernel, strides, padding, (x.shape[1], x.shape[2])),
        kernel_gradient(x, cotangent, strides, padding, (kernel.shape[0], kernel.shape[1])),
    )


_convolve.defvjp(_convolve_forward, _convolve_backward)


def conv_transpose(
    x: Float[Array, "B h w F"], kernel: Kernel, strides: Pair, padding: Padding
) -> Float[Array, "B H W O"]:
    """Transposed convolution, equal to `lax.conv_transpose(x, kernel, strides, padding)`.

    Args:
        x: [B, h, w, F].
        kernel: [KH, KW, F, O].
        strides: zeros between rows and between columns of x, plus one.
        padding: rows and columns, before and after, put around the x so spread; see `padding_to_size`.

    Returns:
        [B, H, W, O] with H = (h - 1) stride + 2 + before + after - KH.
    """
    return _transpose(x, kernel, strides, padding)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _transpose(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> Array:
    around, size = _adjoint_geometry(x, kernel, strides, padding)
    return widen(x, adjoint(kernel), strides, around, size)


def _transpose_forward(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Array, tuple]:
    return _transpose(x, kernel, strides, padding), (x, kernel)


def _transpose_backward(strides: Pair, padding: Padding, residuals: tuple, cotangent: Array) -> tuple[Array, Kernel]:
    x, kernel = residuals
    around, _ = _adjoint_geometry(x, kernel, strides, padding)
    gradient = kernel_gradient(cotangent, x, strides, around, (kernel.shape[0], kernel.shape[1]))
    return narrow(cotangent, adjoint(kernel), strides, around), adjoint(gradient)


_transpose.defvjp(_transpose_forward, _transpose_backward)


def same_padding(size: tuple[int, ...], kernel_size: Pair, strides: Pair) -> Padding:
    """The padding called 'SAME', with which (H, W) = size becomes (ceil(H / stride), ceil(W / stride))."""
    rows, columns = lax.padtype_to_pads(size, kernel_size, strides, "SAME")
    return rows, columns


def padding_to_size(size: Pair, output_size: Pair, kernel_size: Pair, strides: Pair) -> Padding:
    """The padding with which a transposed convolution undoes the sizes of a convolution padded as 'SAME'.

    Args:
        size: (h, w) of the transposed convolution's input, ceil(H / stride) each.
        output_size: (H, W) that is to come out.
        kernel_size: (KH, KW).
        strides: of both convolutions.
    """
    pairs = []
    for small, large, k, stride in zip(size, output_size, kernel_size, strides, strict=True):
        assert small == -(-large // stride), f"{large} by {stride} is not {small}"
        before = k - 1 - max((small - 1) * stride + k - large, 0) // 2
        pairs.append((before, large + k - 2 - (small - 1) * stride - before))
    return pairs[0], pairs[1]


def _adjoint_geometry(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Padding, Pair]:
    """(padding, size (H, W)) of the convolution whose transpose is meant."""
    pairs, sizes = [], []
    for small, k, stride, (before, after) in zip(x.shape[1:3], kernel.shape, strides, padding, strict=False):
        spread = (small - 1) * stride + 1
        sizes.append(spread + before + after - k + 1)
        pairs.append((k - 1 - before, spread + before - sizes[-1]))
    return (pairs[0], pairs[1]), (sizes[0], sizes[1])
