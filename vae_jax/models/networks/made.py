"""The masked autoencoder for density estimation (Germain et al. 2015): output i sees the inputs before i alone, and a context."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int64, PRNGKeyArray

from vae_jax.models.networks.network import INITS
from vae_jax.types import Params


class Made(NamedTuple):
    """A masked network as pure functions."""

    init: Callable[[PRNGKeyArray], Params]
    """(key) -> params."""
    apply: Callable[[Params, Float[Array, "B Z"], Float[Array, "B C"]], Float[Array, "B K Z"]]
    """(params, z, context) -> K numbers for each i, which depend on z_1 to z_(i-1) and on the context."""


def make_made(size: int, hidden_dims: tuple[int, ...], context: int, outputs: int) -> Made:
    """Make a network of `hidden_dims` ReLU units whose weights are masked, so that dy_i/dz_j = 0 for all j >= i.

    A hidden unit of degree d sees z_1 to z_d and feeds the outputs after d (eq. 12 and 13). The degrees are spread from 0 to
    Z - 1; a unit of degree 0 sees the context alone, so that the first output depends on it. The last layer starts small.

    Args:
        size: Z.
        hidden_dims: the widths of the hidden layers.
        context: C, the size of the context, which all hidden units of the first layer see.
        outputs: K.
    """
    degrees = [np.arange(1, size + 1), *(_spread(width, size) for width in hidden_dims)]
    masks = [after[None, :] >= before[:, None] for before, after in itertools.pairwise(degrees)]
    masks.append(np.tile(degrees[0][None, :] > degrees[-1][:, None], (1, outputs)))

    def init(key: PRNGKeyArray) -> Params:
        keys = jax.random.split(key, len(masks) + 1)
        params = {"context": INITS["he"].hidden(keys[-1], (context, hidden_dims[0]))}
        for number, (mask, own) in enumerate(zip(masks, keys, strict=False)):
            draw = INITS["he"].output if number == len(masks) - 1 else INITS["he"].hidden
            params[f"kernel_{number}"] = draw(own, mask.shape)
            params[f"bias_{number}"] = jnp.zeros(mask.shape[1])
        return params

    def apply(params: Params, z: Float[Array, "B Z"], context: Float[Array, "B C"]) -> Float[Array, "B K Z"]:
        x = z
        for number, mask in enumerate(masks):
            x = x @ jnp.where(mask, params[f"kernel_{number}"], 0) + params[f"bias_{number}"][None]
            x = x + context @ params["context"] if number == 0 else x
            x = jax.nn.relu(x) if number < len(masks) - 1 else x
        return x.reshape(-1, outputs, size)

    return Made(init, apply)


def _spread(width: int, size: int) -> Int64[np.ndarray, " width"]:
    """Return the degrees of a hidden layer: all of 0 to size - 1 equally often, or as many as there are units, evenly spread."""
    return np.arange(width) * size // width if width >= size else np.round(np.linspace(0, size - 1, width)).astype(int)
