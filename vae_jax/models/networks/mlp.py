"""The dense encoder and decoder."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.networks.network import ACTIVATIONS, INITS, Activation, Inits, Networks, apply
from vae_jax.types import Config, Images, Params


class MLP(nn.Module):
    """Dense layers with an activation and dropout after each, and a linear layer at the end."""

    hidden_dims: tuple[int, ...]
    num_outputs: int
    activation: Activation
    dropout: float
    inits: Inits

    @nn.compact
    def __call__(self, x: Float[Array, "B D"], deterministic: bool) -> Float[Array, "B F"]:
        """Map [B, D] -> [B, num_outputs]."""
        for width in self.hidden_dims:
            x = self.activation(nn.Dense(width, kernel_init=self.inits.hidden)(x))
            x = nn.Dropout(self.dropout, deterministic=deterministic)(x)
        return nn.Dense(self.num_outputs, kernel_init=self.inits.output, name="output")(x)


def make_mlp(config: Config, shape: tuple[int, int, int], num_features: int, num_channels: int) -> Networks:
    """Make dense networks of any depth for images of any shape; the decoder mirrors the encoder's `hidden_dims`.

    They read hidden_dims, latent_dim, activation, kernel_init, dropout, dtype of the config; see NETWORKS for the arguments.
    """
    height, width, _ = shape
    activation, inits = ACTIVATIONS[config.activation], INITS[config.kernel_init]
    encoder = MLP(config.hidden_dims, num_features, activation, config.dropout, inits)
    decoder = MLP(config.hidden_dims[::-1], height * width * num_channels, activation, config.dropout, inits)

    def init(key: PRNGKeyArray, output_bias: Float[Array, "H W F"] | None = None) -> Params:
        key_encoder, key_decoder = jax.random.split(key)
        params = {
            "encoder": encoder.init(key_encoder, jnp.zeros((1, math.prod(shape))), True)["params"],
            "decoder": decoder.init(key_decoder, jnp.zeros((1, config.latent_dim)), True)["params"],
        }
        if output_bias is not None:
            params["decoder"]["output"]["bias"] = output_bias.reshape(-1)
        return params

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Float[Array, "B E"]:
        return apply(encoder, params["encoder"], x.reshape(x.shape[0], math.prod(shape)), key, config.dtype)

    def decode(params: Params, z: Float[Array, "B Z"], key: PRNGKeyArray | None = None) -> Images:
        return apply(decoder, params["decoder"], z, key, config.dtype).reshape(z.shape[0], height, width, num_channels)

    return Networks(init, encode, decode)
