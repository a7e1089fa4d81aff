"""Flows of coupling layers (Dinh et al. 2017): exact in both directions, with a triangular Jacobian."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.networks.mlp import MLP
from vae_jax.models.networks.network import ACTIVATIONS, ZERO_OUTPUT, apply
from vae_jax.types import Params, PerExample

Z = Float[Array, "B Z"]
X = Float[Array, "B M"]
LARGEST_LOG_SCALE = 3.0
"""The bound of the logarithms of scales and slopes: without one, an image unlike the training images can get any density."""


def bounded(raw: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return a log scale between -LARGEST_LOG_SCALE and LARGEST_LOG_SCALE, near `raw` if that is small."""
    return LARGEST_LOG_SCALE * jnp.tanh(raw / LARGEST_LOG_SCALE)


class Map(NamedTuple):
    """An increasing map of each number, with parameters that are the identity's at 0."""

    parameters: int
    """R, the parameters of each number's map."""
    forward: Callable[[X, Float[Array, "B R M"]], tuple[X, X]]
    """(x, raw) -> (y, log dy/dx)."""
    inverse: Callable[[X, Float[Array, "B R M"]], X]
    """(y, raw) -> x."""


class Flow(NamedTuple):
    """An invertible map z -> u; of N(0, I) for u it makes a density of z."""

    init: Callable[[PRNGKeyArray], Params]
    forward: Callable[[Params, Z], tuple[Z, PerExample]]
    """(params, z) -> (u, log |det du/dz|)."""
    inverse: Callable[[Params, Z], Z]
    """(params, u) -> z."""


def affine() -> Map:
    """Return the map y = x exp(s) + t of RealNVP (eqs. 7 and 8) with a bounded s."""

    def forward(x: X, raw: Float[Array, "B 2 M"]) -> tuple[X, X]:
        log_scale = bounded(raw[:, 0])
        return x * jnp.exp(log_scale) + raw[:, 1], log_scale

    def inverse(y: X, raw: Float[Array, "B 2 M"]) -> X:
        return (y - raw[:, 1]) * jnp.exp(-bounded(raw[:, 0]))

    return Map(2, forward, inverse)


def make_couplings(size: int, layers: int, hidden_dims: tuple[int, ...], each: Map) -> Flow:
    """Make a flow of `layers` couplings of vectors of at least 2 numbers; it is the identity at first.

    Layers come in pairs. A pair cuts the vector into the numbers at even and those at odd places. Its first layer maps the
    second half by parameters that a network computes from the first half, its second layer the reverse. Then the halves are
    joined one after the other, so the next pair cuts at other places: after log2(size) pairs any two numbers have been apart.
    Odd sizes are cut into unequal halves.
    """
    halves = (size + 1) // 2, size // 2
    networks = [
        MLP(hidden_dims, each.parameters * halves[1 - i % 2], ACTIVATIONS["relu"], 0.0, ZERO_OUTPUT)
        for i in range(layers)
    ]
    pairs = range(0, layers, 2)
    shuffle = np.r_[0:size:2, 1:size:2]
    unshuffle = np.argsort(shuffle)
    order = np.arange(size)
    for _ in pairs:
        order = order[shuffle]
    restore = np.argsort(order)

    def init(key: PRNGKeyArray) -> Params:
        return {
            f"layer{i}": network.init(jax.random.fold_in(key, i), jnp.zeros((1, halves[i % 2])), True)["params"]
            for i, network in enumerate(networks)
        }

    def raw(params: Params, i: int, x: X) -> Float[Array, "B R N"]:
        # Both directions must compute the same numbers, so an accelerator may not round the factors to bfloat16.
        with jax.default_matmul_precision("highest"):
            outputs = apply(networks[i], params[f"layer{i}"], x, None, "float32")
        return outputs.reshape(len(x), each.parameters, -1)

    def forward(params: Params, z: Z) -> tuple[Z, PerExample]:
        log_det = jnp.zeros_like(z[:, 0])
        for i in pairs:
            a, b = z[:, ::2], z[:, 1::2]
            b, log_slopes = each.forward(b, raw(params, i, a))
            log_det += log_slopes.sum(axis=1)
            if i + 1 < layers:
                a, log_slopes = each.forward(a, raw(params, i + 1, b))
                log_det += log_slopes.sum(axis=1)
            z = jnp.concatenate([a, b], axis=1)
        return z[:, restore], log_det

    def inverse(params: Params, u: Z) -> Z:
        z = u[:, order]
        for i in reversed(pairs):
            a, b = jnp.split(z, halves[:1], axis=1)
            if i + 1 < layers:
                a = each.inverse(a, raw(params, i + 1, b))
            b = each.inverse(b, raw(params, i, a))
            z = jnp.concatenate([a, b], axis=1)[:, unshuffle]
        return z

    return Flow(init, forward, inverse)
