"""The interface of an encoder and decoder pair, and the activations and initialisers to choose from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import text
from vae_jax.models.networks.layers import Layer
from vae_jax.types import Images, Params

Activation = Callable[[Array], Array]
ACTIVATIONS: dict[str, Activation] = {
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
    "tanh": nn.tanh,
    "elu": nn.elu,
    "gelu": nn.gelu,
    "silu": nn.silu,
    "softplus": nn.softplus,
}


ACTIVATION = text("activation", "relu", "nonlinearity between layers")


class Inits(NamedTuple):
    """The initialisers of kernels."""

    hidden: nn.initializers.Initializer
    output: nn.initializers.Initializer
    """The initialiser of the last layers."""


INITS = {
    # With small last layers the posterior starts near the prior and the decoder near the mean image, for any latent_dim.
    # With a last layer at full scale, the noise of 100 latents, which the decoder cannot use yet, kills its ReLU units in
    # the first epoch of MNIST, and the elbo stays at that of the mean image, -206 nats.
    "he": Inits(nn.initializers.he_normal(), nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")),
    # For saturating units (Glorot and Bengio 2010).
    "glorot": Inits(nn.initializers.glorot_uniform(), nn.initializers.glorot_uniform()),
}
ZERO_OUTPUT = Inits(nn.initializers.he_normal(), nn.initializers.zeros)
"""For networks whose outputs are the parameters of a map that starts as the identity."""


class Ports(NamedTuple):
    """The sizes of what goes in and out of an encoder and a decoder."""

    image: tuple[int, int, int]
    """(H, W, C) of the encoder's input; the decoder's output has the same height and width."""
    features: int
    """The encoder's outputs per image, such as 2 Z for mean and log variance."""
    latents: int
    """The decoder's inputs per image, such as Z."""
    outputs: int
    """The decoder's outputs per pixel, F."""
    parts: int = 0
    """0: `features` and `latents` are those of an image. Above: they are those of each place of the network's grid, or of each of
    so many parts of a vector if it has no grid."""


class Networks(NamedTuple):
    """An encoder and a decoder as pure functions."""

    init: Callable[..., Params]
    """(key, output_bias[H,W,F] or None) -> {"encoder": ..., "decoder": ...}."""
    encode: Callable[..., Float[Array, "B *T E"]]
    """(params, x[B,H,W,C], key=None) -> features [B, E], or [B, T, E] in T places; a key turns dropout on."""
    decode: Callable[..., Images]
    """(params, z[B,Z] or [B,T,Z], key=None) -> outputs [B,H,W,F]."""
    layers: Callable[[Params], tuple[list[Layer], list[Layer]]]
    """(params) -> the layers of encoder and decoder, with float32 weights; parts of a vector are one behind the other."""
    grid: tuple[int, ...] = ()
    """The T places: (h, w), or (T,) for parts of a vector; (): there are none."""
    traits: frozenset[str] = frozenset()
    """See `Model.traits`."""


def apply(module: nn.Module, params: Params, inputs: Array, key: PRNGKeyArray | None, dtype: str) -> Array:
    """Apply a module without mutable state, computing in dtype; the outputs have the type of the inputs.

    With dtype "float32" nothing is cast, so float64 params and inputs are computed in float64. A key turns dropout on.
    """
    dtype_of_inputs = inputs.dtype
    if dtype != "float32":
        params, inputs = jax.tree.map(lambda leaf: leaf.astype(dtype), (params, inputs))
    rngs = None if key is None else {"dropout": key}
    outputs: Any = module.apply({"params": params}, inputs, key is None, rngs=rngs)
    return outputs.astype(dtype_of_inputs)
