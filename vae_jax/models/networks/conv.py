"""The convolutional encoder and decoder, for images of any height, width and number of channels."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import numbers, text
from vae_jax.models.networks.convolution import (
    GROUP_SIZE,
    KERNEL,
    STRIDES,
    Large,
    Pair,
    Small,
    conv_transpose,
    convolve,
    downsampled,
    padding_to_size,
    same_padding,
)
from vae_jax.models.networks.layers import conv_layers
from vae_jax.models.networks.network import ACTIVATIONS, INITS, Networks, Ports, apply
from vae_jax.types import Config, Images, Params

hidden_init, output_init = INITS["he"]
transposed_init = nn.initializers.variance_scaling(2.0 * STRIDES[0] * STRIDES[1], "fan_in", "truncated_normal")
"""He's initialiser, scaled up because each pixel meets only one in STRIDES[0] * STRIDES[1] of the kernel's taps."""

KEYS = (
    numbers("channels", (32, 64), "channels of the encoder's convolutions; the decoder mirrors them", int, 1),
    text("conv.normalization", "none", "normalisation after each convolution", "none", "group"),
)

Finish = Callable[[Images, bool], Images]
"""(x, deterministic) -> x, applied after every hidden layer; its submodules belong to the module that calls it."""


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of networks without a convolution."""
    if not flat["channels"]:
        return ["channels=(): network=conv needs the channels of at least one convolution, such as channels=(32, 64)"]
    return []


class Conv(nn.Module):
    """A 3x3 convolution of stride 2; height and width are halved, rounded up."""

    num_outputs: int
    use_bias: bool

    @nn.compact
    def __call__(self, x: Large) -> Small:
        """Map [B, H, W, F] -> [B, h, w, num_outputs], h = ceil(H / 2)."""
        kernel = self.param("kernel", hidden_init, (*KERNEL, x.shape[-1], self.num_outputs))
        x = convolve(x, kernel, STRIDES, same_padding(x.shape[1:3], KERNEL, STRIDES))
        if self.use_bias:
            x += self.param("bias", nn.initializers.zeros_init(), (self.num_outputs,)).reshape(1, 1, 1, -1)
        return x


class Encoder(nn.Module):
    """3x3 convolutions of stride 2, each halving height and width, rounded up, and a dense layer at the end."""

    channels: tuple[int, ...]
    num_outputs: int
    finish: Finish
    use_bias: bool

    @nn.compact
    def __call__(self, x: Images, deterministic: bool) -> Float[Array, "B E"]:
        """Map [B, H, W, C] -> [B, num_outputs]."""
        for width in self.channels:
            x = self.finish(Conv(width, self.use_bias)(x), deterministic)
        return nn.Dense(self.num_outputs, kernel_init=output_init, name="output")(x.reshape(x.shape[0], -1))


class ConvTranspose(nn.Module):
    """A 3x3 transposed convolution of stride 2, to exactly `output_size`."""

    num_outputs: int
    output_size: Pair
    use_bias: bool

    @nn.compact
    def __call__(self, x: Small) -> Large:
        """Map [B, h, w, F] -> [B, H, W, num_outputs], h = ceil(H / 2)."""
        kernel = self.param("kernel", transposed_init, (*KERNEL, x.shape[-1], self.num_outputs))
        padding = padding_to_size((x.shape[1], x.shape[2]), self.output_size, KERNEL, STRIDES)
        x = conv_transpose(x, kernel, STRIDES, padding)
        if self.use_bias:
            x += self.param("bias", nn.initializers.zeros_init(), (self.num_outputs,)).reshape(1, 1, 1, -1)
        return x


class Output(nn.Module):
    """A 3x3 convolution of stride 1 with a separate bias for every pixel, so that it can start at the mean image."""

    num_outputs: int

    @nn.compact
    def __call__(self, x: Large) -> Float[Array, "B H W O"]:
        """Map [B, H, W, F] -> [B, H, W, num_outputs]."""
        kernel = self.param("kernel", output_init, (*KERNEL, x.shape[-1], self.num_outputs))
        bias = self.param("bias", nn.initializers.zeros_init(), (*x.shape[1:3], self.num_outputs))
        return convolve(x, kernel, (1, 1), same_padding(x.shape[1:3], KERNEL, (1, 1))) + bias[None]


class Decoder(nn.Module):
    """The mirrored encoder: a dense layer, then one transposed convolution for each convolution of the encoder.

    The last layer is a convolution of stride 1. With a transposed convolution, each pixel would meet 1, 2 or 4 of the 3x3
    taps, depending on its place, and the image would show a checkerboard (Odena et al. 2016).
    """

    channels: tuple[int, ...]
    sizes: tuple[Pair, ...]
    """(H, W) of the image and of the output of each of the encoder's convolutions."""
    num_outputs: int
    finish: Finish
    use_bias: bool

    @nn.compact
    def __call__(self, z: Float[Array, "B Z"], deterministic: bool) -> Images:
        """Map [B, Z] -> [B, H, W, num_outputs]."""
        (height, width), deepest = self.sizes[-1], self.channels[-1]
        x = nn.Dense(height * width * deepest, kernel_init=hidden_init)(z).reshape(z.shape[0], height, width, deepest)
        x = self.finish(x, deterministic)
        for i in reversed(range(len(self.channels))):
            layer = ConvTranspose(self.channels[max(i - 1, 0)], self.sizes[i], self.use_bias)
            x = self.finish(layer(x), deterministic)
        return Output(self.num_outputs, name="output")(x)


def make_conv(config: Config, ports: Ports) -> Networks:
    """Make convolutional networks of any depth; the decoder returns exactly H x W pixels for any H and W.

    They read channels, conv.normalization, activation, dropout and dtype.
    """
    sizes = downsampled(ports.image[:2], len(config.channels))
    finish = _make_finish(config)
    use_bias = config.conv.normalization == "none"
    encoder = Encoder(config.channels, ports.features, finish, use_bias)
    decoder = Decoder(config.channels, sizes, ports.outputs, finish, use_bias)

    def init(key: PRNGKeyArray, output_bias: Float[Array, "H W F"] | None = None) -> Params:
        key_encoder, key_decoder = jax.random.split(key)
        params = {
            "encoder": encoder.init(key_encoder, jnp.zeros((1, *ports.image)), True)["params"],
            "decoder": decoder.init(key_decoder, jnp.zeros((1, ports.latents)), True)["params"],
        }
        if output_bias is not None:
            params["decoder"]["output"]["bias"] = output_bias
        return params

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Float[Array, "B E"]:
        return apply(encoder, params["encoder"], x, key, config.dtype)

    def decode(params: Params, z: Float[Array, "B Z"], key: PRNGKeyArray | None = None) -> Images:
        return apply(decoder, params["decoder"], z, key, config.dtype)

    return Networks(init, encode, decode, partial(conv_layers, config, ports.image), frozenset({"conv"}))


def _make_finish(config: Config) -> Finish:
    """Make the function after each hidden layer: group normalisation (Wu and He 2018) if configured, activation, dropout."""

    def finish(x: Images, deterministic: bool) -> Images:
        if config.conv.normalization == "group":
            channels = x.shape[-1]
            x = nn.GroupNorm(num_groups=channels // GROUP_SIZE if channels % GROUP_SIZE == 0 else 1)(x)
        x = ACTIVATIONS[config.activation](x)
        return nn.Dropout(config.dropout, deterministic=deterministic)(x)

    return finish
