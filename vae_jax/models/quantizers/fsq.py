"""Finite scalar quantisation: each number of a vector is rounded to one of a few levels (Mentzer et al. 2023)."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import numbers
from vae_jax.models.quantizers.coding import by_levels
from vae_jax.models.quantizers.quantizer import MOST_CODES, Indices, Quantized, Quantizer, Vectors
from vae_jax.models.quantizers.replacement import straight_through
from vae_jax.types import Config, Params

KEYS = (
    numbers("fsq.levels", (8, 8), "levels of each number of a vector; their product is the number of codes", int, 2),
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of no level at all, or of too many codes."""
    levels = flat["fsq.levels"]
    if not levels:
        return ["fsq.levels=(): a vector needs one number or more; choices: such as (8, 8), for 64 codes"]
    if (codes := math.prod(levels)) > MOST_CODES:
        return [f"fsq.levels={levels}: {codes:,} codes; choices: levels with a product of at most {MOST_CODES:,}"]
    return []


def make_fsq(config: Config) -> Quantizer:
    r"""Make the quantizer whose codes are the points of a grid with `fsq.levels` (L_1, ..., L_D) points along its D axes.

    .. math:: \mathrm{code}_d = \mathrm{nearest\ of\ } \left\{ -1, -1 + \tfrac{2}{L_d - 1}, \ldots, 1 \right\}
        \mathrm{\ to\ } \tfrac{L_d}{L_d - 1} \tanh(v_d)

    Number d of a vector becomes `bounded`, between -L_d / (L_d - 1) and L_d / (L_d - 1), and then the nearest of the L_d levels
    -1, ..., 1, which are 2 / (L_d - 1) apart. It moves by half that or less, and each level is the nearest one on an equal
    share of the range. (The paper's bound is shifted if L_d is even, so that a level is at 0; here the levels are always
    symmetric, and 2 levels are the sign.) Gradients pass straight through the rounding, and there is nothing to learn.
    """
    levels = tuple(config.fsq.levels)

    def quantize(params: Params, vectors: Vectors) -> Quantized:
        held = bounded(vectors, levels)
        indices = index_of(jax.lax.stop_gradient(held), levels)
        return Quantized(straight_through(held, code_of(indices, levels)), indices)

    def init(key: PRNGKeyArray, vectors: Float[Array, "N D"]) -> Params:
        return {}

    return Quantizer(
        width=len(levels),
        num_codes=math.prod(levels),
        init=init,
        quantize=quantize,
        vectors=lambda params, indices: code_of(indices, levels),
        coding=lambda params, places: by_levels("rounded", levels, places),
    )


def bounded(vectors: Vectors, levels: tuple[int, ...]) -> Vectors:
    """Return L / (L - 1) tanh(v) for each number v: an odd function, whose range is L steps of 2 / (L - 1) wide."""
    return jnp.array([size / (size - 1) for size in levels], vectors.dtype)[None, None] * jnp.tanh(vectors)


def index_of(vectors: Vectors, levels: tuple[int, ...]) -> Indices:
    """Return the index of the code nearest to each bounded vector; the level of the first number changes fastest."""
    sizes = jnp.array(levels, vectors.dtype)[None, None]
    # The end of a range lies between its last level and none: tanh is 1 in float32 from 9 on.
    steps = jnp.clip(jnp.floor((vectors + 1) * (sizes - 1) / 2 + 0.5), 0, sizes - 1).astype(jnp.int32)
    return (steps * jnp.array(_strides(levels), jnp.int32)[None, None]).sum(axis=-1)


def code_of(indices: Indices, levels: tuple[int, ...]) -> Float[Array, "B T D"]:
    """Return the code of each index: D numbers from -1 to 1."""
    sizes, strides = (jnp.array(row, jnp.int32)[None, None] for row in (levels, _strides(levels)))
    return 2 * (indices[..., None] // strides % sizes) / (sizes - 1) - 1


def _strides(levels: tuple[int, ...]) -> list[int]:
    return np.cumprod((1, *levels[:-1])).tolist()
