"""The three passes shared by a strided convolution and its transpose, fast on a CPU.

XLA's CPU backend is slow for some shapes, where matrix products over the kernel's taps are faster.
`python -m experiments.benchmarks.conv_layers` measures each layer's time.
"""

import math
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
"""The largest number of channels for which the taps of all channels go into one matrix product."""
CACHED = 2**19
"""The size of an input, in numbers, that a core's cache holds. Up to it, XLA's own gradient for the kernel is fast."""
PART, IMAGES, MOST_PARTS = 2**17, 8, 16
"""The numbers and the images of a part of a batch in `gradient_in_parts`, and the most parts. XLA's own gradient for the kernel
is two to four times faster over parts that the cache holds, unless a part's number of images is odd."""


def adjoint(kernel: Kernel) -> Float[Array, "KH KW O F"]:
    """Return the kernel of the adjoint, flipped and with its channels swapped; `adjoint(adjoint(kernel))` is kernel."""
    return kernel[::-1, ::-1].swapaxes(2, 3)


def convolve(x: Large, kernel: Kernel, strides: Pair, padding: Padding) -> Small:
    """Return the strided convolution, [B, H, W, F] -> [B, h, w, O]."""

    def stock(x: Large, kernel: Kernel) -> Small:
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=DIMENSIONS)

    def products(x: Large, kernel: Kernel) -> Small:
        # First the products of every tap with every pixel, [taps, O, B, H, W]; then their sum, each shifted to its place.
        high, wide, features, outputs = kernel.shape
        rows = kernel.transpose(0, 1, 3, 2).reshape(high * wide * outputs, features)
        taps = jnp.dot(rows, x.reshape(-1, features).T).reshape(high * wide, outputs, *x.shape[:3])
        taps = lax.pad(taps, jnp.zeros((), taps.dtype), [(0, 0, 0)] * 3 + [(*pair, 0) for pair in padding])
        size = [taps.shape[3] - high + 1, taps.shape[4] - wide + 1]
        shifted = [taps[n, :, :, i : i + size[0], j : j + size[1]] for n, (i, j) in enumerate(_places((high, wide)))]
        return jnp.moveaxis(sum(shifted), 0, -1)

    few_outputs = strides == (1, 1) and kernel.shape[3] <= FEW < kernel.shape[2]
    return lax.platform_dependent(x, kernel, cpu=products if few_outputs else stock, default=stock)


def transpose(y: Small, kernel: Kernel, strides: Pair, padding: Padding, size: Pair) -> Large:
    """Return the transpose of `convolve`, [B, h, w, O] -> [B, H, W, F] with (H, W) = size."""
    around = [
        (k - 1 - before, length + before - (small - 1) * stride - 1)
        for k, (before, _), small, stride, length in zip(
            kernel.shape, padding, y.shape[1:3], strides, size, strict=False
        )
    ]

    def stock(y: Small, kernel: Kernel) -> Large:
        return lax.conv_general_dilated(y, adjoint(kernel), (1, 1), around, strides, dimension_numbers=DIMENSIONS)

    # XLA swaps the roles of input and kernel if the input is smaller than the kernel, and is then slow.
    swapped = y.shape[1] < kernel.shape[0] or y.shape[2] < kernel.shape[1]
    phases = partial(_transpose_by_phases, strides=strides, padding=padding, size=size)
    return lax.platform_dependent(y, kernel, cpu=phases if swapped else stock, default=stock)


def _transpose_by_phases(y: Small, kernel: Kernel, strides: Pair, padding: Padding, size: Pair) -> Large:
    """Return `transpose` by one matrix product per phase: output pixels at one offset modulo the strides meet the same taps."""
    batch, outputs = y.shape[0], kernel.shape[2]
    rows, columns = (-(-length // stride) for length, stride in zip(size, strides, strict=True))

    def meeting(axis: int, phase: int) -> list[Pair]:
        """Return (tap, shift) of every tap that meets the phase; the shift is in pixels of y."""
        at = phase + padding[axis][0]
        return [(k, (at - k) // strides[axis]) for k in range(kernel.shape[axis]) if (at - k) % strides[axis] == 0]

    def shifted(down: int, right: int) -> Array:
        edges = [(-down, down + rows - y.shape[1], 0), (-right, right + columns - y.shape[2], 0)]
        return lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *edges, (0, 0, 0)])

    def phase(row: int, column: int) -> Float[Array, "B M N F"]:
        taps = [(i, j, shifted(down, right)) for i, down in meeting(0, row) for j, right in meeting(1, column)]
        if not taps:
            return jnp.zeros((batch, rows, columns, outputs), y.dtype)
        seen = jnp.concatenate([pixels for _, _, pixels in taps], axis=-1)
        weights = jnp.concatenate([kernel[i, j].T for i, j, _ in taps])
        return jnp.tensordot(seen, weights, 1)

    phases = [jnp.stack([phase(r, c) for c in range(strides[1])], axis=3) for r in range(strides[0])]
    whole = jnp.stack(phases, axis=2).reshape(batch, rows * strides[0], columns * strides[1], outputs)
    return whole[:, : size[0], : size[1]]


def kernel_gradient(x: Large, y: Small, strides: Pair, padding: Padding, kernel_size: Pair) -> Kernel:
    """Return the gradient of <convolve(x, kernel), y> for the kernel; on a CPU in parts, or as products, if x is large."""
    few_outputs = strides == (1, 1) and y.shape[3] <= FEW < x.shape[3]
    if x.size > CACHED and min(x.shape[3], y.shape[3]) > FEW:
        return gradient_in_parts(x, y, strides, padding, kernel_size)

    def stock(x: Large, y: Small) -> Kernel:
        return _stock_gradient(x, y, strides, padding, kernel_size)

    def products(x: Large, y: Small) -> Kernel:
        if few_outputs:
            # The roles of x and y are swapped, with shifts the other way, because copying y's few channels is cheaper.
            around = [
                (k - 1 - before, large + before - small)
                for k, (before, _), large, small in zip(kernel_size, padding, x.shape[1:3], y.shape[1:3], strict=False)
            ]
            return adjoint(_taps_times(y, x, (1, 1), around, kernel_size))
        return _taps_times(x, y, strides, padding, kernel_size)

    return lax.platform_dependent(x, y, cpu=products if x.size > CACHED or few_outputs else stock, default=stock)


def gradient_in_parts(x: Large, y: Small, strides: Pair, padding: Padding, kernel_size: Pair) -> Kernel:
    """Return `kernel_gradient` as a sum over parts of the batch, on a CPU faster for inputs and outputs of many channels."""
    if min(x.shape[3], y.shape[3]) <= FEW:
        return kernel_gradient(x, y, strides, padding, kernel_size)

    def stock(x: Large, y: Small) -> Kernel:
        return _stock_gradient(x, y, strides, padding, kernel_size)

    def parts(x: Large, y: Small) -> Kernel:
        fitting = PART // max(math.prod(x.shape[1:]), math.prod(y.shape[1:]))
        size = max(IMAGES, fitting // IMAGES * IMAGES, -(-len(x) // MOST_PARTS))
        return sum(stock(x[i : i + size], y[i : i + size]) for i in range(size, len(x), size)) + stock(
            x[:size], y[:size]
        )

    return lax.platform_dependent(x, y, cpu=parts, default=stock)


def _stock_gradient(x: Large, y: Small, strides: Pair, padding: Padding, kernel_size: Pair) -> Kernel:
    def convolved(kernel: Kernel) -> Small:
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=DIMENSIONS)

    return jax.vjp(convolved, jnp.zeros((*kernel_size, x.shape[3], y.shape[3]), x.dtype))[1](y)[0]


def _places(kernel_size: Pair) -> Iterator[Pair]:
    return ((i, j) for i in range(kernel_size[0]) for j in range(kernel_size[1]))


def _taps_times(x: Large, y: Small, strides: Pair, padding: Padding | list[Pair], kernel_size: Pair) -> Kernel:
    """Return [KH, KW, F, O]: for each tap, the pixels of x that it meets, [F, B h w], times y, [B h w, O]."""
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0)])
    batch, h, w, outputs = y.shape
    seen = []
    for i, j in _places(kernel_size):
        stop = (batch, i + (h - 1) * strides[0] + 1, j + (w - 1) * strides[1] + 1, x.shape[3])
        seen.append(lax.slice(padded, (0, i, j, 0), stop, (1, *strides, 1)).reshape(batch * h * w, x.shape[3]).T)
    rows = y.reshape(batch * h * w, outputs)
    products = [jnp.concatenate(seen) @ rows] if x.shape[3] <= FEW else [tap @ rows for tap in seen]
    return jnp.concatenate(products).reshape(*kernel_size, x.shape[3], outputs)
