"""The network of a critic: a dense classifier with one logit, which tells two kinds of codes apart."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.networks.mlp import MLP
from vae_jax.models.networks.network import INITS, apply
from vae_jax.types import Params, PerExample

SLOPE = 0.2
"""The slope of the leaky ReLU below 0, as in critics of generative adversarial networks."""


class Critic(NamedTuple):
    """A critic as pure functions."""

    init: Callable[[PRNGKeyArray, int], Params]
    """(key, size of z) -> params. Its last layer starts small, so that all logits start near 0."""
    logits: Callable[[Params, Float[Array, "B Z"]], PerExample]
    """(params, z) -> log D(z) / (1 - D(z)) [B], where D(z) is the probability of the first kind."""


def make_critic(hidden_dims: tuple[int, ...], dtype: str = "float32") -> Critic:
    """Make a dense critic with leaky ReLUs, which computes in `dtype` and returns float32."""
    network = MLP(hidden_dims, 1, partial(nn.leaky_relu, negative_slope=SLOPE), 0.0, INITS["he"])

    def init(key: PRNGKeyArray, size: int) -> Params:
        return network.init(key, jnp.zeros((1, size)), True)["params"]

    def logits(params: Params, z: Float[Array, "B Z"]) -> PerExample:
        return apply(network, params, z, None, dtype)[:, 0]

    return Critic(init, logits)
