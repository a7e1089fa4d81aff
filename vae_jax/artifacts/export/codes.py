"""The layers that make codes, and vectors of codes, in ONNX's operators. Codes are int32 [N, h, w, R]."""

import numpy as np

from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.pixel_means import Operator
from vae_jax.models.networks import Layer

LAST = np.array([-1], np.int64)


def _nearest(graph: Graph, x: str, layer: Layer) -> str:
    """Add the codes of each codebook in turn, computed as in `quantizers.codebook.nearest`."""
    found, left = [], x
    for r, codebook in enumerate(layer.arrays["codebooks"]):
        if r:
            before = layer.arrays["codebooks"][r - 1]
            left = graph.add("Sub", left, graph.add("Gather", before, graph.squeeze(found[-1])))
        centre = codebook.mean(axis=0)
        around = codebook - centre
        product = graph.add("MatMul", graph.add("Sub", left, centre), np.ascontiguousarray(around.T))
        nearness = graph.add("Sub", product, np.square(around).sum(axis=1) / 2)
        found.append(graph.add("ArgMax", nearness, axis=-1, keepdims=1))
    return graph.whole(found[0] if len(found) == 1 else graph.add("Concat", *found, axis=-1))


def _rounded(graph: Graph, x: str, layer: Layer) -> str:
    """Add the code of the nearest point, computed as in `quantizers.fsq`."""
    sizes = np.array(layer.numbers["levels"], np.float32)
    held = graph.add("Mul", graph.add("Tanh", x), sizes / (sizes - 1))
    steps = graph.add("Mul", graph.add("Mul", graph.add("Add", held, 1.0), sizes - 1), 0.5)
    nearest = graph.add("Floor", graph.add("Add", steps, 0.5))
    within = graph.add("Min", graph.add("Max", nearest, 0.0), sizes - 1)
    return _weighted(graph, graph.whole(within), layer.numbers["levels"])


def _signs(graph: Graph, x: str, layer: Layer) -> str:
    return _weighted(graph, graph.whole(graph.add("Greater", x, 0.0)), layer.numbers["levels"])


def _weighted(graph: Graph, steps: str, levels: tuple[int, ...]) -> str:
    """Add the code of whole numbers by the place values of their levels; the first changes fastest."""
    return graph.add("ReduceSum", graph.add("Mul", steps, _place_values(levels)), LAST, keepdims=1)


def _place_values(levels: tuple[int, ...]) -> np.ndarray:
    return np.cumprod((1, *levels[:-1])).astype(np.int32)


def _argmax(graph: Graph, x: str, layer: Layer) -> str:
    return graph.whole(graph.add("ArgMax", x, axis=-1, keepdims=1))


def _lookup(graph: Graph, codes: str, layer: Layer) -> str:
    """Add the sum of the codes' vectors."""
    codebooks = layer.arrays["codebooks"]
    by_level = graph.split(codes, len(codebooks)) if len(codebooks) > 1 else [codes]
    first, *others = (
        graph.add("Gather", codebook, graph.squeeze(one)) for codebook, one in zip(codebooks, by_level, strict=True)
    )
    for other in others:
        first = graph.add("Add", first, other)
    return first


def _points(graph: Graph, codes: str, layer: Layer) -> str:
    levels = layer.numbers["levels"]
    steps = graph.add("Mod", graph.add("Div", codes, _place_values(levels)), np.array(levels, np.int32))
    sizes = np.array(levels, np.float32)
    return graph.add("Sub", graph.add("Div", graph.add("Mul", graph.number(steps), 2.0), sizes - 1), 1.0)


CODES: dict[str, Operator] = {
    "argmax": _argmax,
    "lookup": _lookup,
    "nearest": _nearest,
    "points": _points,
    "rounded": _rounded,
    "signs": _signs,
}
"""Kind of layer -> function (graph, x, layer) -> the output's name."""
