"""The interface of a quantizer, which replaces vectors by codes."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.models.quantizers.coding import Coding
from vae_jax.types import Params, PerExample

Vectors = Float[Array, "B T D"]
Indices = Int32[Array, "B N"]
MOST_CODES = 2**20
"""The most codes of a quantizer without a codebook: an evaluation counts the uses of each."""


class Quantized(NamedTuple):
    """The z of a model with discrete codes."""

    vectors: Vectors
    """The vectors of the codes. Gradients pass straight through to the vectors that they replace."""
    indices: Indices
    """From 0 to K - 1: N = T R of them, the R of the first vector first."""


class Quantizer(NamedTuple):
    """A rule that replaces vectors by codes; its functions take its own parameters, `params["quantizer"]`."""

    width: int
    """D, the size of a vector."""
    num_codes: int
    """K, the number of values of a code."""
    init: Callable[[PRNGKeyArray, Float[Array, "N D"]], Params]
    """(key, vectors) -> its own parameters. The vectors are those of training images by the initial encoder; N = 0 unless the
    traits have "sample"."""
    quantize: Callable[[Params, Vectors], Quantized]
    """(params, vectors) -> their codes."""
    vectors: Callable[[Params, Indices], Vectors]
    """(params, indices) -> the vectors of the codes."""
    coding: Callable[[Params, tuple[int, int]], Coding]
    """(params, places) -> the layers that quantize the vectors at h x w places, and those that return the codes' vectors."""
    penalty: Callable[[Params, Vectors, Quantized], PerExample] | None = None
    """(params, vectors, their codes) -> its own term of the loss [B], nats per image."""
    refit: Callable[[PRNGKeyArray, Params, Params, Int32[Array, ""]], Params] | None = None
    """(key, params, grads, step) -> params after a step, or None if the optimizer sets them."""
    levels: int = 1
    """R, the number of codes that replace a vector."""
    remedy: str = "a smaller learning_rate, fewer codes"
    """The advice if most codes are dead: no image uses them."""
    traits: frozenset[str] = frozenset()
    """See `Model.traits`, of which they become a part."""
