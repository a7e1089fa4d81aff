"""Networks as plain lists of layers with their weights, for programs without flax: a web page, an exchange format.

All activations are NHWC. Flattening and unflattening keep that order, so a layer reads the previous layer's output as it is.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from vae_jax.models.networks.convolution import GROUP_SIZE, KERNEL, padding_to_size, same_padding
from vae_jax.models.networks.stages import stages_of
from vae_jax.types import Config, Params

GROUP_NORM_EPSILON = 1e-6
"""The default of flax."""
SHORTEST = float(np.finfo(np.float32).eps)
"""The least length that a layer `unit` divides by, so that 0 stays 0."""


class Layer(NamedTuple):
    """One layer of a network.

    The kinds, with their arrays and numbers; x is the layer's input:

    dense: arrays kernel [I, O], bias [O]. x @ kernel + bias.
    conv: arrays kernel [KH, KW, F, O], bias [O] or [H, W, O] or none; numbers strides, padding, with the meaning in
        `lax.conv_general_dilated`.
    conv_transpose: the same, with the meaning in `lax.conv_transpose`: x is spread by its strides, padded, and correlated.
    group_norm: arrays scale [F], bias [F]; numbers groups, epsilon: over each image's pixels and each group of channels.
    activation: numbers name, a key of ACTIVATIONS.
    gate: no arrays and no numbers. The first half of x times the sigmoid of the second.
    keep: no arrays and no numbers. x itself, which is also put on a stack.
    add: no arrays and no numbers. x plus the last array on the stack, of x's shape, which is taken off it.
    upsample: numbers factors (R, S). Each pixel repeated in R rows and S columns.
    unit: no arrays and no numbers. Each vector of x along its last axis divided by its length, which counts as at least SHORTEST.
    label: numbers classes, Y. Each vector of x [..., C] with the image's label behind it, 1 for its class and 0 for others.
    halves: no arrays and no numbers. The first half of each vector of x [h, w, 2 C], then the second halves, [2 h w C].
    reshape: no arrays and no numbers, to the shape `output`.
    pixel_mean: numbers likelihood, a name in LIKELIHOODS, and for "levels" levels, their number. Outputs [H, W, F] -> E[x|z]
        [H, W, C] in [0, 1].

    The kinds that make codes of x [h, w, D], R whole numbers at each of h x w places, [h, w, R]:
    nearest: arrays codebooks [R, K, D]. The row of the first codebook that is nearest to the vector, then that of the second
        which is nearest to what the first left of it, and so on. The first of equal ones.
    rounded: numbers levels (L_1, ..., L_D). L / (L - 1) tanh(x) becomes the nearest of L points from -1 to 1, with the place
        value L_1 ... L_(d - 1) in the code.
    signs: numbers levels (2, ..., 2). Bit d of the code is 1 if number d is above 0.
    argmax: no arrays and no numbers. The place of the largest number of a vector; the first of equal ones.
    lookup: the inverse, codes [h, w, R] -> [h, w, D]; arrays codebooks [R, K, D]. The sum of one row of each codebook.
    points: the inverse, too; numbers levels. The D points of a code of `rounded`; those of a code of `signs` are its signs.
    """

    kind: str
    output: tuple[int, ...]
    """The shape of the layer's output, without the batch axis: [O] or [H, W, O]."""
    arrays: dict[str, np.ndarray] = {}  # noqa: RUF012 - never written to
    numbers: dict[str, Any] = {}  # noqa: RUF012


class Layers(NamedTuple):
    """A model, layer by layer."""

    encoder: list[Layer]
    """[H, W, C] -> [2 Z], mean and logvar of a diagonal Gaussian, or [Z], the noise-free z, or codes [h, w, R], for parts of a
    vector [1, T, R]; empty if that needs more than layers."""
    decoder: list[Layer]
    """z [Z], or codes [h, w, R] -> pixel means [H, W, C]."""
    prior: list[Layer] = []  # noqa: RUF012
    """Normal noise [U] -> [2 Z], mean and logvar of z given the layer above; empty if there is none."""


def num_inputs(layers: list[Layer]) -> int:
    """Return the number of numbers that the first layer takes; it is no convolution."""
    first, *_ = layers
    if first.kind == "dense":
        return first.arrays["kernel"].shape[0]
    if first.kind == "label":
        return math.prod(first.output[:-1]) * (first.output[-1] - first.numbers["classes"])
    if first.kind in ("lookup", "points"):
        levels = len(first.arrays["codebooks"]) if first.kind == "lookup" else 1
        return math.prod(first.output[:2]) * levels
    assert first.kind in ("activation", "keep", "reshape", "unit"), f"a list of layers that starts with {first.kind}"
    return math.prod(first.output)


def dense_layers(after: Layer, shape: tuple[int, int, int], params: Params) -> tuple[list[Layer], list[Layer]]:
    """Return the layers (encoder, decoder) of dense networks, `after` behind each hidden one; the decoder returns [H, W, F]."""
    decoder = _dense_stack(after, params["decoder"])
    return (
        [Layer("reshape", (math.prod(shape),)), *_dense_stack(after, params["encoder"])],
        [*decoder, Layer("reshape", (*shape[:2], decoder[-1].output[0] // math.prod(shape[:2])))],
    )


def conv_layers(
    config: Config, shape: tuple[int, int, int], on_grid: bool, params: Params
) -> tuple[list[Layer], list[Layer]]:
    """Return the layers (encoder, decoder) of `make_conv` with these params; the decoder returns [H, W, F].

    Between them are vectors, or with `on_grid` numbers at each place of the grid, [h, w, E] and [h, w, Z].
    """
    sizes, strides = stages_of(config, (shape[0], shape[1]))
    encoder: list[Layer] = []
    for i, width in enumerate(config.channels):
        numbers = {"strides": strides[i], "padding": same_padding(sizes[i], KERNEL, strides[i])}
        encoder.append(Layer("conv", (*sizes[i + 1], width), arrays_of(params["encoder"][f"Conv_{i}"]), numbers))
        encoder += _finish(config, params["encoder"], i, encoder[-1].output)
    smallest = (*sizes[-1], config.channels[-1])
    encoder += from_places(params["encoder"]["output"], smallest, on_grid)
    decoder = to_places(params["decoder"]["Dense_0"], smallest, on_grid)
    decoder += _finish(config, params["decoder"], 0, smallest)
    for i in range(len(config.channels)):
        above = len(config.channels) - 1 - i
        padding = padding_to_size(sizes[above + 1], sizes[above], KERNEL, strides[above])
        numbers = {"strides": strides[above], "padding": padding}
        arrays = arrays_of(params["decoder"][f"ConvTranspose_{i}"])
        decoder.append(Layer("conv_transpose", (*sizes[above], arrays["kernel"].shape[-1]), arrays, numbers))
        decoder += _finish(config, params["decoder"], i + 1, decoder[-1].output)
    arrays = arrays_of(params["decoder"]["output"])
    numbers = {"strides": (1, 1), "padding": same_padding(shape[:2], KERNEL, (1, 1))}
    decoder.append(Layer("conv", (*shape[:2], arrays["kernel"].shape[-1]), arrays, numbers))
    return encoder, decoder


def from_places(params: Params, shape: tuple[int, ...], on_grid: bool) -> list[Layer]:
    """Return the dense layer after an output [h, w, F], of all its numbers, or of those at each place."""
    return [_at_each_place(params, shape)] if on_grid else [Layer("reshape", (math.prod(shape),)), dense(params)]


def to_places(params: Params, shape: tuple[int, ...], on_grid: bool) -> list[Layer]:
    """Return the dense layer that makes [h, w, F] of a vector, or of a vector at each place."""
    return [_at_each_place(params, shape)] if on_grid else [dense(params), Layer("reshape", shape)]


def _at_each_place(params: Params, shape: tuple[int, ...]) -> Layer:
    """Return a dense layer at each place of [h, w, F] as the 1 x 1 convolution that it is."""
    arrays = {name: array[None, None] if name == "kernel" else array for name, array in arrays_of(params).items()}
    return Layer("conv", (*shape[:2], *arrays["bias"].shape), arrays, {"strides": (1, 1), "padding": ((0, 0), (0, 0))})


def first_outputs(layers: list[Layer], size: int) -> list[Layer]:
    """Return layers that compute the first `size` outputs, or channels, of those that are given.

    The last of them is a dense layer, or a convolution with one bias for each channel.
    """
    *before, last = layers
    assert last.kind in ("dense", "conv"), f"a list of layers that ends with {last.kind}"
    arrays = {name: array[..., :size] for name, array in last.arrays.items()}
    return [*before, last._replace(output=(*last.output[:-1], size), arrays=arrays)]


def _dense_stack(after: Layer, params: Params) -> list[Layer]:
    layers: list[Layer] = []
    for i in range(len(params) - 1):
        layers.append(dense(params[f"Dense_{i}"]))
        (size,) = layers[-1].output
        layers.append(after._replace(output=(size // 2 if after.kind == "gate" else size,)))
    return [*layers, dense(params["output"])]


def dense(params: Params) -> Layer:
    """Return a dense layer with these params."""
    arrays = arrays_of(params)
    return Layer("dense", arrays["bias"].shape, arrays)


def _finish(config: Config, params: Params, index: int, shape: tuple[int, ...]) -> list[Layer]:
    """Return the layers that `conv._make_finish` adds after a layer, without dropout."""
    layers = []
    if config.conv.normalization == "group":
        groups = shape[-1] // GROUP_SIZE if shape[-1] % GROUP_SIZE == 0 else 1
        numbers = {"groups": groups, "epsilon": GROUP_NORM_EPSILON}
        layers.append(Layer("group_norm", shape, arrays_of(params[f"GroupNorm_{index}"]), numbers))
    return [*layers, Layer("activation", shape, {}, {"name": config.activation})]


def arrays_of(params: Params) -> dict[str, np.ndarray]:
    """Return the params of one layer as float32 arrays."""
    return {name: np.asarray(array, np.float32) for name, array in params.items()}
