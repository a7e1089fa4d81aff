"""The dense encoder and decoder, with an activation after each hidden layer or with gates."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import numbers, text
from vae_jax.models.networks.layers import Layer, dense_layers
from vae_jax.models.networks.network import ACTIVATION, ACTIVATIONS, INITS, Activation, Inits, Networks, Ports, apply
from vae_jax.types import Config, Images, Params

HIDDEN_DIMS = numbers(
    "hidden_dims", (512, 256), "widths of the encoder's hidden layers; the decoder mirrors them", int, 1
)
KEYS = (
    HIDDEN_DIMS,
    ACTIVATION,
    text("mlp.kernel_init", "he", "initial weights: He's with small last layers, or Glorot's uniform ones", *INITS),
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of dropout without hidden units."""
    if not flat["hidden_dims"] and flat["dropout"] > 0:
        return [f"dropout={flat['dropout']:g}: there are no hidden units to drop, because hidden_dims=()"]
    return []


class MLP(nn.Module):
    """Dense layers with an activation and dropout after each, and a linear layer at the end."""

    hidden_dims: tuple[int, ...]
    num_outputs: int
    activation: Activation
    dropout: float
    inits: Inits
    widen: int = 1
    """The number of numbers that the activation makes each hidden unit of."""

    @nn.compact
    def __call__(self, x: Float[Array, "B D"], deterministic: bool) -> Float[Array, "B F"]:
        """Map [B, D] -> [B, num_outputs]."""
        for width in self.hidden_dims:
            x = self.activation(nn.Dense(self.widen * width, kernel_init=self.inits.hidden)(x))
            x = nn.Dropout(self.dropout, deterministic=deterministic)(x)
        return nn.Dense(self.num_outputs, kernel_init=self.inits.output, name="output")(x)


def make_mlp(config: Config, ports: Ports) -> Networks:
    r"""Make dense networks of any depth for images of any shape; the decoder mirrors the encoder's `hidden_dims`.

    .. math:: h_{l+1} = a(h_l W_l + b_l)

    They read hidden_dims, activation, mlp.kernel_init, dropout and dtype.
    """
    after = Layer("activation", (), {}, {"name": config.activation})
    return _make_dense(
        config, ports, partial(MLP, activation=ACTIVATIONS[config.activation]), config.mlp.kernel_init, after
    )


def make_gated(config: Config, ports: Ports) -> Networks:
    r"""Make dense networks whose hidden layers are (x A + a) sigmoid(x B + b) (Dauphin et al. 2017, eq. 1), as in VampPrior.

    .. math:: h_{l+1} = (h_l A_l + a_l) \odot \mathrm{sigmoid}(h_l B_l + b_l)

    They read hidden_dims, dropout and dtype, and are the networks of Tomczak and Welling (2018).
    """
    return _make_dense(config, ports, partial(MLP, activation=gate, widen=2), "he", Layer("gate", ()))


def gate(x: Float[Array, "*B F"]) -> Float[Array, "*B G"]:
    """Return the first half of the last axis times the sigmoid of the second, G = F / 2."""
    value, opening = jnp.split(x, 2, axis=-1)
    return value * nn.sigmoid(opening)


def _make_dense(config: Config, ports: Ports, make: Callable[..., MLP], kernel_init: str, after: Layer) -> Networks:
    height, width, _ = ports.image
    grid, parts = (ports.parts,) if ports.parts else (), ports.parts or 1
    make = partial(make, dropout=config.dropout, inits=INITS[kernel_init])
    encoder = make(config.hidden_dims, parts * ports.features)
    decoder = make(config.hidden_dims[::-1], height * width * ports.outputs)

    def init(key: PRNGKeyArray, output_bias: Float[Array, "H W F"] | None = None) -> Params:
        key_encoder, key_decoder = jax.random.split(key)
        params = {
            "encoder": encoder.init(key_encoder, jnp.zeros((1, math.prod(ports.image))), True)["params"],
            "decoder": decoder.init(key_decoder, jnp.zeros((1, parts * ports.latents)), True)["params"],
        }
        if output_bias is not None:
            params["decoder"]["output"]["bias"] = output_bias.reshape(-1)
        return params

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Float[Array, "B *T E"]:
        features = apply(encoder, params["encoder"], x.reshape(x.shape[0], math.prod(ports.image)), key, config.dtype)
        return features.reshape(x.shape[0], *grid, ports.features)

    def decode(params: Params, z: Float[Array, "B *T Z"], key: PRNGKeyArray | None = None) -> Images:
        outputs = apply(decoder, params["decoder"], z.reshape(z.shape[0], parts * ports.latents), key, config.dtype)
        return outputs.reshape(z.shape[0], height, width, ports.outputs)

    return Networks(init, encode, decode, partial(dense_layers, after, ports.image), grid)
