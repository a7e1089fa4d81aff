"""Layers and activations in ONNX's operators, computed in float32."""

import math
from collections.abc import Callable

import numpy as np

from vae_jax.artifacts.export.codes import CODES
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.pixel_means import PIXEL_MEANS, Operator
from vae_jax.models.networks import Layer
from vae_jax.models.networks.layers import SHORTEST

LABEL = "label"
"""The input of a conditional model's graph: 1 for the class of each row, 0 for the others."""
Unary = Callable[[Graph, str], str]


def _gelu(graph: Graph, x: str) -> str:
    """Add gelu in its tanh approximation, like flax."""
    cube = graph.add("Mul", graph.add("Mul", x, x), x)
    inner = graph.add("Mul", graph.add("Add", x, graph.add("Mul", cube, 0.044715)), math.sqrt(2 / math.pi))
    return graph.add("Mul", graph.add("Mul", x, 0.5), graph.add("Add", graph.add("Tanh", inner), 1.0))


ACTIVATIONS: dict[str, Unary] = {
    "relu": lambda graph, x: graph.add("Relu", x),
    "leaky_relu": lambda graph, x: graph.add("LeakyRelu", x, alpha=0.01),
    "tanh": lambda graph, x: graph.add("Tanh", x),
    "elu": lambda graph, x: graph.add("Elu", x, alpha=1.0),
    "gelu": _gelu,
    "silu": lambda graph, x: graph.add("Mul", x, graph.add("Sigmoid", x)),
    "softplus": lambda graph, x: graph.add("Softplus", x),
}
"""Name in networks.ACTIVATIONS -> function (graph, x) -> the output's name."""


def _dense(graph: Graph, x: str, layer: Layer) -> str:
    return graph.add("Gemm", x, layer.arrays["kernel"], layer.arrays["bias"])


def _conv(graph: Graph, x: str, layer: Layer) -> str:
    (top, bottom), (left, right) = layer.numbers["padding"]
    kernel = layer.arrays["kernel"].transpose(3, 2, 0, 1)
    around = {"strides": layer.numbers["strides"], "pads": (top, left, bottom, right)}
    return _biased(graph, graph.add("Conv", x, np.ascontiguousarray(kernel), **around), layer)


def _conv_transpose(graph: Graph, x: str, layer: Layer) -> str:
    """Add a transposed convolution. ONNX has the adjoint: its kernel is rotated by half a turn, its padding cuts the output."""
    kernel = layer.arrays["kernel"]
    (top, left), (bottom, right) = (
        [size - 1 - pair[end] for size, pair in zip(kernel.shape, layer.numbers["padding"], strict=False)]
        for end in range(2)
    )
    assert min(top, left, bottom, right) >= 0, "padding of a transposed convolution that reaches beyond its kernel"
    turned = np.ascontiguousarray(kernel[::-1, ::-1].transpose(2, 3, 0, 1))
    around = {"strides": layer.numbers["strides"], "pads": (top, left, bottom, right)}
    return _biased(graph, graph.add("ConvTranspose", x, turned, **around), layer)


def _biased(graph: Graph, x: str, layer: Layer) -> str:
    """Add a bias [O] or [H, W, O] to x [N, O, H, W], if there is one."""
    if "bias" not in layer.arrays:
        return x
    bias = layer.arrays["bias"]
    each = bias.reshape(-1, 1, 1) if bias.ndim == 1 else np.ascontiguousarray(bias.transpose(2, 0, 1))
    return graph.add("Add", x, each)


def _group_norm(graph: Graph, x: str, layer: Layer) -> str:
    """Normalise each group of channels as one channel, then apply each channel's scale and bias."""
    (height, width, channels), groups = layer.output, layer.numbers["groups"]
    grouped = graph.reshape(x, (groups, channels // groups * height * width))
    ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    normal = graph.add("InstanceNormalization", grouped, ones, zeros, epsilon=layer.numbers["epsilon"])
    scaled = graph.add("Mul", graph.reshape(normal, (channels, height, width)), layer.arrays["scale"].reshape(-1, 1, 1))
    return _biased(graph, scaled, layer)


def _gate(graph: Graph, x: str, layer: Layer) -> str:
    value, opening = graph.split(x, 2)
    return graph.add("Mul", value, graph.add("Sigmoid", opening))


def _upsample(graph: Graph, x: str, layer: Layer) -> str:
    rows, columns = layer.numbers["factors"]
    scales = np.array([1, 1, rows, columns], np.float32)
    around = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add("Resize", x, "", scales, **around)


def _unit(graph: Graph, x: str, layer: Layer) -> str:
    length = graph.add("Max", graph.add("ReduceL2", x, axes=[-1], keepdims=1), SHORTEST)
    return graph.add("Div", x, length)


def _label(graph: Graph, x: str, layer: Layer) -> str:
    """Join the graph's input `label` [N, Y] to the vectors of x."""
    around, classes = layer.output[:-1], layer.numbers["classes"]
    label = graph.reshape(LABEL, (*[1] * len(around), classes)) if around else LABEL
    label = graph.add("Mul", label, np.ones((1, *around, classes), np.float32)) if around else label
    return graph.add("Concat", x, label, axis=-1)


def _halves(graph: Graph, x: str, layer: Layer) -> str:
    size = layer.output[0] // 2
    return graph.add("Concat", *(graph.reshape(half, (size,)) for half in graph.split(x, 2)), axis=-1)


OPERATORS: dict[str, Operator] = {
    "activation": lambda graph, x, layer: ACTIVATIONS[layer.numbers["name"]](graph, x),
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "gate": _gate,
    "group_norm": _group_norm,
    "halves": _halves,
    "label": _label,
    "pixel_mean": lambda graph, x, layer: PIXEL_MEANS[layer.numbers["likelihood"]](graph, x, layer),
    "reshape": lambda graph, x, layer: graph.reshape(x, layer.output),
    "unit": _unit,
    "upsample": _upsample,
    **CODES,
}
"""Kind of layer -> function (graph, x, layer) -> the output's name; `chain` itself knows keep and add."""
CHANNELS_FIRST = ("conv", "conv_transpose", "group_norm", "upsample")
"""The kinds whose operators have channels before rows and columns."""
EITHER = ("activation", "keep", "add")
"""The kinds that take either order; all others have channels last."""


def chain(graph: Graph, layers: list[Layer], x: str) -> str:
    """Add layer after layer, with channels last before and after; axes are moved only where a layer needs it."""
    first = False
    kept: list[tuple[str, bool]] = []
    for layer in layers:
        wants = first if layer.kind in EITHER else layer.kind in CHANNELS_FIRST
        x, first = _ordered(graph, x, first, wants), wants
        if layer.kind == "keep":
            kept.append((x, first))
        elif layer.kind == "add":
            x = graph.add("Add", x, _ordered(graph, *kept.pop(), first))
        else:
            x = OPERATORS[layer.kind](graph, x, layer)
    assert not first, "a list of layers that ends within a convolutional network"
    return x


def _ordered(graph: Graph, x: str, first: bool, wants: bool) -> str:
    """Return x with channels before rows and columns if `wants`, else behind them; `first` is its current order."""
    return x if wants == first else graph.add("Transpose", x, perm=(0, 3, 1, 2) if wants else (0, 2, 3, 1))
