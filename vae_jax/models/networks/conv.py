"""The convolutional encoder and decoder, for images of any height, width and number of channels."""

import math
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import text
from vae_jax.models.networks.convolution import GROUP_SIZE, Pair
from vae_jax.models.networks.layers import Layer, conv_layers
from vae_jax.models.networks.network import ACTIVATION, ACTIVATIONS, Networks, Ports, apply
from vae_jax.models.networks.stages import CHANNELS, DOWNSCALE, Stages, stages_of
from vae_jax.models.networks.strided import Conv, ConvTranspose, Output, hidden_init, output_init
from vae_jax.types import Config, Images, Params

KEYS = (
    CHANNELS,
    DOWNSCALE,
    ACTIVATION,
    text("conv.normalization", "none", "normalisation after each convolution", "none", "group"),
)

Finish = Callable[[Images, bool], Images]
"""(x, deterministic) -> x, applied after every hidden layer; its submodules belong to the module that calls it."""


class Encoder(nn.Module):
    """3x3 convolutions, of stride 2 at first, and a dense layer at the end, or at each place."""

    channels: tuple[int, ...]
    strides: tuple[Pair, ...]
    """The strides of each convolution."""
    num_outputs: int
    finish: Finish
    use_bias: bool
    places: int = 0
    """The number of places that the outputs are those of; 0: they are those of the whole image."""

    @nn.compact
    def __call__(self, x: Images, deterministic: bool) -> Float[Array, "B *T E"]:
        """Map [B, H, W, C] -> [B, num_outputs], or [B, places, num_outputs]."""
        for width, strides in zip(self.channels, self.strides, strict=True):
            x = self.finish(Conv(width, self.use_bias, strides)(x), deterministic)
        x = x.reshape(x.shape[0], self.places, self.channels[-1]) if self.places else x.reshape(x.shape[0], -1)
        return nn.Dense(self.num_outputs, kernel_init=output_init, name="output")(x)


class Decoder(nn.Module):
    """The mirrored encoder: a dense layer, of z or at each place, then one transposed convolution for each convolution.

    The last layer is a convolution of stride 1. With a transposed convolution, each pixel would meet 1, 2 or 4 of the 3x3
    taps, depending on its place, and the image would show a checkerboard (Odena et al. 2016).
    """

    channels: tuple[int, ...]
    stages: Stages
    """The geometry of the encoder's stages."""
    num_outputs: int
    finish: Finish
    use_bias: bool

    @nn.compact
    def __call__(self, z: Float[Array, "B *T Z"], deterministic: bool) -> Images:
        """Map [B, Z], or [B, h w, Z] of h x w places, -> [B, H, W, num_outputs]."""
        (height, width), deepest = self.stages.sizes[-1], self.channels[-1]
        number = deepest if z.ndim == 3 else height * width * deepest
        x = nn.Dense(number, kernel_init=hidden_init)(z).reshape(z.shape[0], height, width, deepest)
        x = self.finish(x, deterministic)
        for i in reversed(range(len(self.channels))):
            size, strides = self.stages.sizes[i], self.stages.strides[i]
            layer = ConvTranspose(self.channels[max(i - 1, 0)], size, self.use_bias, strides)
            x = self.finish(layer(x), deterministic)
        return Output(self.num_outputs, name="output")(x)


def make_conv(config: Config, ports: Ports) -> Networks:
    r"""Make convolutional networks of any depth; the decoder returns exactly H x W pixels for any H and W.

    .. math:: h_{l+1} = a(\mathrm{GN}(W_l * h_l + b_l))

    They read channels, downscale, conv.normalization, activation, dropout and dtype.
    """
    stages = stages_of(config, ports.image[:2])
    finish = _make_finish(config)
    use_bias = config.conv.normalization == "none"
    grid = stages.sizes[-1] if ports.parts else ()
    places = (math.prod(grid),) if grid else ()
    encoder = Encoder(config.channels, stages.strides, ports.features, finish, use_bias, *places)
    decoder = Decoder(config.channels, stages, ports.outputs, finish, use_bias)
    layers = partial(conv_layers, config, ports.image, bool(grid))
    return join(config, ports, encoder, decoder, layers, grid)


def join(
    config: Config,
    ports: Ports,
    encoder: nn.Module,
    decoder: nn.Module,
    layers: Callable[[Params], tuple[list[Layer], list[Layer]]],
    grid: tuple[int, ...],
) -> Networks:
    """Join convolutional modules to networks. The last layer of the decoder is called "output" and has a bias [H, W, F]."""
    places = (math.prod(grid),) if grid else ()

    def init(key: PRNGKeyArray, output_bias: Float[Array, "H W F"] | None = None) -> Params:
        key_encoder, key_decoder = jax.random.split(key)
        params = {
            "encoder": encoder.init(key_encoder, jnp.zeros((1, *ports.image)), True)["params"],
            "decoder": decoder.init(key_decoder, jnp.zeros((1, *places, ports.latents)), True)["params"],
        }
        if output_bias is not None:
            params["decoder"]["output"]["bias"] = output_bias
        return params

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Float[Array, "B *T E"]:
        return apply(encoder, params["encoder"], x, key, config.dtype)

    def decode(params: Params, z: Float[Array, "B *T Z"], key: PRNGKeyArray | None = None) -> Images:
        return apply(decoder, params["decoder"], z, key, config.dtype)

    return Networks(init, encode, decode, layers, grid, frozenset({"conv"}))


def _make_finish(config: Config) -> Finish:
    """Make the function after each hidden layer: group normalisation (Wu and He 2018) if configured, activation, dropout."""

    def finish(x: Images, deterministic: bool) -> Images:
        if config.conv.normalization == "group":
            channels = x.shape[-1]
            x = nn.GroupNorm(num_groups=channels // GROUP_SIZE if channels % GROUP_SIZE == 0 else 1)(x)
        x = ACTIVATIONS[config.activation](x)
        return nn.Dropout(config.dropout, deterministic=deterministic)(x)

    return finish
