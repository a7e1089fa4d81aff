"""The convolution and its transpose, with passes and gradients that are fast on a CPU.

The transposed convolution is the adjoint of a strided convolution (Dumoulin and Visin 2016, section 4): each one's forward
pass is the other's gradient for its input, and both have the same gradient for their kernel. Those three are here once. XLA's
CPU backend has slow paths for some of them, which matrix products over the kernel's taps avoid; what each layer takes is
measured by `python -m experiments.benchmarks.conv_layers`. Differentiable in reverse only.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
Small = Float[Array, "B h w O"]
Large = Float[Array, "B H W F"]
Kernel = Float[Array, "KH KW F O"]
DIMENSIONS = ("NHWC", "HWIO", "NHWC")
FEW = 4
"""Channels that are so few that the taps of all of them are put into one matrix product."""
CACHED = 2**19
"""Numbers that a core's cache holds: up to so many of an input, XLA's own gradient for the kernel is the faster one."""


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
    return _narrow(x, kernel, strides, padding)


def _convolve_forward(x: Large, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Small, tuple]:
    return _convolve(x, kernel, strides, padding), (x, kernel)


def _convolve_backward(strides: Pair, padding: Padding, residuals: tuple, cotangent: Small) -> tuple[Large, Kernel]:
    x, kernel = residuals
    return (
        _widen(cotangent, kernel, strides, padding, (x.shape[1], x.shape[2])),
        _kernel_gradient(x, cotangent, strides, padding, (kernel.shape[0], kernel.shape[1])),
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
    return _widen(x, _adjoint(kernel), strides, around, size)


def _transpose_forward(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Array, tuple]:
    return _transpose(x, kernel, strides, padding), (x, kernel)


def _transpose_backward(strides: Pair, padding: Padding, residuals: tuple, cotangent: Array) -> tuple[Array, Kernel]:
    x, kernel = residuals
    around, _ = _adjoint_geometry(x, kernel, strides, padding)
    gradient = _kernel_gradient(cotangent, x, strides, around, (kernel.shape[0], kernel.shape[1]))
    return _narrow(cotangent, _adjoint(kernel), strides, around), _adjoint(gradient)


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


def _adjoint(kernel: Kernel) -> Float[Array, "KH KW O F"]:
    """The kernel of the convolution whose transpose has this one, and back."""
    return kernel[::-1, ::-1].swapaxes(2, 3)


def _adjoint_geometry(x: Array, kernel: Kernel, strides: Pair, padding: Padding) -> tuple[Padding, Pair]:
    """(padding, size (H, W)) of the convolution whose transpose is meant."""
    pairs, sizes = [], []
    for small, k, stride, (before, after) in zip(x.shape[1:3], kernel.shape, strides, padding, strict=False):
        spread = (small - 1) * stride + 1
        sizes.append(spread + before + after - k + 1)
        pairs.append((k - 1 - before, spread + before - sizes[-1]))
    return (pairs[0], pairs[1]), (sizes[0], sizes[1])


def _narrow(x: Large, kernel: Kernel, strides: Pair, padding: Padding) -> Small:
    """The convolution."""

    def stock(x: Large, kernel: Kernel) -> Small:
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=DIMENSIONS)

    def products(x: Large, kernel: Kernel) -> Small:
        # Every tap's products with every pixel first, [taps, O, B, H, W], then their sum, each shifted to its place.
        high, wide, features, outputs = kernel.shape
        rows = kernel.transpose(0, 1, 3, 2).reshape(high * wide * outputs, features)
        taps = jnp.dot(rows, x.reshape(-1, features).T).reshape(high * wide, outputs, *x.shape[:3])
        taps = lax.pad(taps, jnp.zeros((), taps.dtype), [(0, 0, 0)] * 3 + [(*pair, 0) for pair in padding])
        size = [taps.shape[3] - high + 1, taps.shape[4] - wide + 1]
        shifted = [taps[n, :, :, i : i + size[0], j : j + size[1]] for n, (i, j) in enumerate(_places((high, wide)))]
        return jnp.moveaxis(sum(shifted), 0, -1)

    few_outputs = strides == (1, 1) and kernel.shape[3] <= FEW < kernel.shape[2]
    return lax.platform_dependent(x, kernel, cpu=products if few_outputs else stock, default=stock)


def _widen(y: Small, kernel: Kernel, strides: Pair, padding: Padding, size: Pair) -> Large:
    """The convolution's transpose: from [B, h, w, O] to [B, H, W, F], (H, W) = size."""
    around = [
        (k - 1 - before, length + before - (small - 1) * stride - 1)
        for k, (before, _), small, stride, length in zip(
            kernel.shape, padding, y.shape[1:3], strides, size, strict=False
        )
    ]

    def stock(y: Small, kernel: Kernel) -> Large:
        return lax.conv_general_dilated(y, _adjoint(kernel), (1, 1), around, strides, dimension_numbers=DIMENSIONS)

    # XLA takes an input that is smaller than the kernel for the kernel.
    swapped = y.shape[1] < kernel.shape[0] or y.shape[2] < kernel.shape[1]
    phases = partial(_widen_by_phases, strides=strides, padding=padding, size=size)
    return lax.platform_dependent(y, kernel, cpu=phases if swapped else stock, default=stock)


def _widen_by_phases(y: Small, kernel: Kernel, strides: Pair, padding: Padding, size: Pair) -> Large:
    """`_widen`, a matrix product for each of the places that a pixel can have between two of y's: the taps that meet it."""
    batch, outputs = len(y), kernel.shape[2]
    rows, columns = (-(-length // stride) for length, stride in zip(size, strides, strict=True))

    def meeting(axis: int, phase: int) -> list[Pair]:
        """(tap, how many of y's pixels further on it finds its own) of every tap that meets the phase."""
        at = phase + padding[axis][0]
        return [(k, (at - k) // strides[axis]) for k in range(kernel.shape[axis]) if (at - k) % strides[axis] == 0]

    def shifted(down: int, right: int) -> Array:
        edges = [(-down, down + rows - y.shape[1], 0), (-right, right + columns - y.shape[2], 0)]
        return lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *edges, (0, 0, 0)])

    def phase(row: int, column: int) -> Float[Array, "B M N F"]:
        met = [(i, j, shifted(down, right)) for i, down in meeting(0, row) for j, right in meeting(1, column)]
        if not met:
            return jnp.zeros((batch, rows, columns, outputs), y.dtype)
        seen = jnp.concatenate([pixels for _, _, pixels in met], axis=-1)
        weights = jnp.concatenate([kernel[i, j].T for i, j, _ in met])
        return jnp.tensordot(seen, weights, 1)

    phases = [jnp.stack([phase(r, c) for c in range(strides[1])], axis=3) for r in range(strides[0])]
    whole = jnp.stack(phases, axis=2).reshape(batch, rows * strides[0], columns * strides[1], outputs)
    return whole[:, : size[0], : size[1]]


def _kernel_gradient(x: Large, y: Small, strides: Pair, padding: Padding, kernel_size: Pair) -> Kernel:
    """The gradient of <convolve(x, kernel), y> for the kernel."""
    few_outputs = strides == (1, 1) and y.shape[3] <= FEW < x.shape[3]

    def stock(x: Large, y: Small) -> Kernel:
        def convolved(kernel: Kernel) -> Small:
            return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=DIMENSIONS)

        return jax.vjp(convolved, jnp.zeros((*kernel_size, x.shape[3], y.shape[3]), x.dtype))[1](y)[0]

    def products(x: Large, y: Small) -> Kernel:
        if few_outputs:
            # Seen from y: its pixels, shifted the other way, meet those of x; the fewer channels are the ones to copy.
            around = [
                (k - 1 - before, large + before - small)
                for k, (before, _), large, small in zip(kernel_size, padding, x.shape[1:3], y.shape[1:3], strict=False)
            ]
            return _adjoint(_taps_times(y, x, (1, 1), around, kernel_size))
        return _taps_times(x, y, strides, padding, kernel_size)

    return lax.platform_dependent(x, y, cpu=products if x.size > CACHED or few_outputs else stock, default=stock)


def _places(kernel_size: Pair) -> Iterator[Pair]:
    return ((i, j) for i in range(kernel_size[0]) for j in range(kernel_size[1]))


def _taps_times(x: Large, y: Small, strides: Pair, padding: Padding | list[Pair], kernel_size: Pair) -> Kernel:
    """[KH, KW, F, O]: for each tap what it sees of x, [B h w, F], times y."""
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0)])
    batch, h, w, outputs = y.shape
    seen = []
    for i, j in _places(kernel_size):
        stop = (batch, i + (h - 1) * strides[0] + 1, j + (w - 1) * strides[1] + 1, x.shape[3])
        seen.append(lax.slice(padded, (0, i, j, 0), stop, (1, *strides, 1)).reshape(batch * h * w, x.shape[3]).T)
    rows = y.reshape(batch * h * w, outputs)
    products = [jnp.concatenate(seen) @ rows] if x.shape[3] <= FEW else [tap @ rows for tap in seen]
    return jnp.concatenate(products).reshape(*kernel_size, x.shape[3], outputs)
