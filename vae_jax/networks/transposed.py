"""The transposed convolution, with gradients that are fast on a CPU.

It is the adjoint of a strided convolution (Dumoulin and Visin 2016, section 4), so its gradients need nothing but that
convolution. XLA's CPU backend has a slow path for what autodiff makes of `lax.conv_transpose`'s weight gradient instead.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Float

Pair = tuple[int, int]
Small = Float[Array, "B h w F"]
Large = Float[Array, "B H W O"]
Kernel = Float[Array, "KH KW F O"]
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_transpose(x: Small, kernel: Kernel, strides: Pair, padding: tuple[Pair, Pair]) -> Large:
    """Transposed convolution, equal to `lax.conv_transpose(x, kernel, strides, padding)`, and differentiable in reverse only.

    Args:
        x: [B, h, w, F].
        kernel: [KH, KW, F, O].
        strides: zeros between rows and between columns of x, plus one.
        padding: rows and columns, before and after, put around the x so spread; see `padding_to_size`.

    Returns:
        [B, H, W, O] with H = (h - 1) stride + 2 + before + after - KH.
    """
    return lax.conv_general_dilated(x, kernel, (1, 1), padding, strides, dimension_numbers=DIMENSIONS)


def _forward(x: Small, kernel: Kernel, strides: Pair, padding: tuple[Pair, Pair]) -> tuple[Large, tuple]:
    return conv_transpose(x, kernel, strides, padding), (x, kernel)


def _backward(strides: Pair, padding: tuple[Pair, Pair], residuals: tuple, cotangent: Large) -> tuple[Small, Kernel]:
    x, kernel = residuals
    around = [
        (k - 1 - before, (small - 1) * stride + 1 + before - large)
        for k, before, small, stride, large in zip(
            kernel.shape, (padding[0][0], padding[1][0]), x.shape[1:3], strides, cotangent.shape[1:3], strict=False
        )
    ]

    def adjoint(kernel: Kernel) -> Small:
        flipped = kernel[::-1, ::-1].swapaxes(2, 3)
        return lax.conv_general_dilated(cotangent, flipped, strides, around, dimension_numbers=DIMENSIONS)

    # <x, adjoint(kernel)> = <conv_transpose(x, kernel), cotangent> is linear in either: the adjoint's own weight gradient.
    x_cotangent, weight_gradient = jax.vjp(adjoint, kernel)
    return x_cotangent, weight_gradient(x)[0]


conv_transpose.defvjp(_forward, _backward)


def padding_to_size(size: Pair, output_size: Pair, kernel_size: Pair, strides: Pair) -> tuple[Pair, Pair]:
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
