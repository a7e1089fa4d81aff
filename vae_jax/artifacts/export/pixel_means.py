"""The pixel means of the likelihoods in ONNX's operators, computed in float32."""

from collections.abc import Callable

import numpy as np

from vae_jax.artifacts.export.graph import Graph
from vae_jax.models.distributions import SMALL_LOGIT
from vae_jax.models.likelihoods.logistic import LARGEST_LOG_SCALE, SMALLEST_LOG_SCALE
from vae_jax.models.networks import Layer

Operator = Callable[[Graph, str, Layer], str]
"""(graph, x, layer) -> the output's name."""


def _continuous_bernoulli(graph: Graph, logits: str, layer: Layer) -> str:
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


def _discretized_logistic(graph: Graph, outputs: str, layer: Layer) -> str:
    """Add the mean of `likelihoods.logistic`: the clipped mean, corrected for the tails."""
    mean, log_scale = graph.split(outputs, 2)
    scale = graph.add("Exp", graph.add("Clip", log_scale, SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE))

    def tail(distance: str) -> str:
        return graph.add("Softplus", graph.add("Div", graph.add("Neg", graph.add("Abs", distance)), scale))

    tails = graph.add("Mul", scale, graph.add("Sub", tail(mean), tail(graph.add("Sub", mean, 1.0))))
    return graph.add("Clip", graph.add("Add", graph.add("Clip", mean, 0.0, 1.0), tails), 0.0, 1.0)


def _levels(graph: Graph, logits: str, layer: Layer) -> str:
    """Add the mean of L levels l / (L - 1); the L logits of a channel are beside each other."""
    (height, width, channels), levels = layer.output, layer.numbers["levels"]
    shares = graph.add("Softmax", graph.reshape(logits, (height, width, channels, levels)), axis=-1)
    values = (np.arange(levels, dtype=np.float32) / np.float32(levels - 1)).reshape(levels, 1)
    mean = graph.reshape(graph.add("MatMul", shares, values), layer.output)
    return graph.add("Min", mean, 1.0)  # rounding may lead above 1


PIXEL_MEANS: dict[str, Operator] = {
    "bernoulli": lambda graph, logits, layer: graph.add("Sigmoid", logits),
    "continuous_bernoulli": _continuous_bernoulli,
    "discretized_logistic": _discretized_logistic,
    "gaussian": lambda graph, outputs, layer: graph.add("Clip", outputs, 0.0, 1.0),
    "levels": _levels,
}
"""Name in LIKELIHOODS -> function (graph, outputs [N, H, W, F], layer) -> pixel means [N, H, W, C]."""
