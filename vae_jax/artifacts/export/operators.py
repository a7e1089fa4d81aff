"""Layers, activations and pixel means in ONNX's operators, computed in float32."""

import math
from collections.abc import Callable

import numpy as np

from vae_jax.artifacts.export.graph import Graph
from vae_jax.models.distributions import SMALL_LOGIT
from vae_jax.models.likelihoods.logistic import LARGEST_LOG_SCALE, SMALLEST_LOG_SCALE
from vae_jax.models.networks import Layer

Unary = Callable[[Graph, str], str]
Operator = Callable[[Graph, str, Layer], str]


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


def _continuous_bernoulli(graph: Graph, logits: str) -> str:
    """Add `distributions.continuous_bernoulli_mean`: a series around 0, where the closed form cancels."""
    size = graph.add("Abs", logits)
    is_small = graph.add("Less", size, SMALL_LOGIT)
    small = graph.add("Where", is_small, logits, 0.0)
    square = graph.add("Mul", small, small)
    series = graph.add("Sub", 1 / 30240, graph.add("Mul", square, 1 / 1209600))
    for coefficient in (1 / 720, 1 / 12):
        series = graph.add("Sub", coefficient, graph.add("Mul", square, series))
    series = graph.add("Add", graph.add("Mul", small, series), 0.5)
    apart = graph.add("Where", is_small, SMALL_LOGIT, size)
    # 1 / expm1(a) with exponentials that do not overflow; from SMALL_LOGIT on 1 - exp(-a) does not cancel.
    falling = graph.add("Exp", graph.add("Neg", apart))
    rest = graph.add("Div", falling, graph.add("Sub", 1.0, falling))
    from_edge = graph.add("Sub", graph.add("Reciprocal", apart), rest)
    below = graph.add("Less", logits, 0.0)
    return graph.add("Where", is_small, series, graph.add("Where", below, from_edge, graph.add("Sub", 1.0, from_edge)))


def _discretized_logistic(graph: Graph, outputs: str) -> str:
    """Add the mean of `likelihoods.logistic`: the clipped mean, corrected for the tails."""
    mean, log_scale = graph.split(outputs, 2)
    scale = graph.add("Exp", graph.add("Clip", log_scale, SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE))

    def tail(distance: str) -> str:
        return graph.add("Softplus", graph.add("Div", graph.add("Neg", graph.add("Abs", distance)), scale))

    tails = graph.add("Mul", scale, graph.add("Sub", tail(mean), tail(graph.add("Sub", mean, 1.0))))
    return graph.add("Clip", graph.add("Add", graph.add("Clip", mean, 0.0, 1.0), tails), 0.0, 1.0)


PIXEL_MEANS: dict[str, Unary] = {
    "bernoulli": lambda graph, logits: graph.add("Sigmoid", logits),
    "continuous_bernoulli": _continuous_bernoulli,
    "discretized_logistic": _discretized_logistic,
    "gaussian": lambda graph, outputs: graph.add("Clip", outputs, 0.0, 1.0),
}
"""Name in LIKELIHOODS -> function from outputs [N, H, W, F] to pixel means [N, H, W, C]."""


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


OPERATORS: dict[str, Operator] = {
    "activation": lambda graph, x, layer: ACTIVATIONS[layer.numbers["name"]](graph, x),
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "dense": _dense,
    "gate": _gate,
    "group_norm": _group_norm,
    "pixel_mean": lambda graph, x, layer: PIXEL_MEANS[layer.numbers["likelihood"]](graph, x),
    "reshape": lambda graph, x, layer: graph.reshape(x, layer.output),
}
"""Kind of layer -> function (graph, x, layer) -> the output's name."""
CHANNELS_FIRST = ("conv", "conv_transpose", "group_norm")
"""The kinds whose operators have channels before rows and columns. An activation takes either order; others have them last."""


def chain(graph: Graph, layers: list[Layer], x: str) -> str:
    """Add layer after layer, with channels last before and after; axes are moved only where a layer needs it."""
    first = False
    for layer in layers:
        wants = first if layer.kind == "activation" else layer.kind in CHANNELS_FIRST
        if wants != first:
            x = graph.add("Transpose", x, perm=(0, 3, 1, 2) if wants else (0, 2, 3, 1))
        x, first = OPERATORS[layer.kind](graph, x, layer), wants
    assert not first, "a list of layers that ends within a convolutional network"
    return x
