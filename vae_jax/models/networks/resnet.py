"""Residual networks with pre-activation (He et al. 2016b), for images of any height, width and number of channels."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from vae_jax.keys import count
from vae_jax.models.networks.conv import CHANNELS, join
from vae_jax.models.networks.convolution import Pair, downsampled
from vae_jax.models.networks.network import ACTIVATION, ACTIVATIONS, Networks, Ports
from vae_jax.models.networks.residual import Down, GroupNorm, Same, Up, hidden_init, output_init, zeros
from vae_jax.models.networks.resnet_layers import resnet_layers
from vae_jax.models.networks.strided import Output
from vae_jax.types import Config, Images

KEYS = (
    CHANNELS,
    ACTIVATION,
    count(
        "resnet.blocks",
        1,
        "residual blocks after each convolution of stride 2, and before each of the decoder's",
        low=1,
    ),
)

Finish = Callable[[Images, bool], Images]
"""(x, deterministic) -> normalised, activated x; its submodules belong to the module that calls it."""


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of networks without a convolution."""
    if not flat["channels"]:
        return ["channels=(): network=resnet needs the channels of at least one convolution, such as channels=(32, 64)"]
    return []


class Block(nn.Module):
    """x plus two 3x3 convolutions, each of what `finish` makes of its input (He et al. 2016b, eq. 1 and fig. 4e).

    The second convolution starts at zero, so the block starts as the identity.
    """

    finish: Finish

    @nn.compact
    def __call__(self, x: Images, deterministic: bool) -> Images:
        """Map [B, H, W, F] -> [B, H, W, F]."""
        width = x.shape[-1]
        y = Same(width)(self.finish(x, deterministic))
        return x + Same(width, zeros)(self.finish(y, deterministic))


class Encoder(nn.Module):
    """Stages of a 3x3 convolution of stride 2 and residual blocks, and a dense layer at the end, or at each place."""

    channels: tuple[int, ...]
    num_outputs: int
    finish: Finish
    blocks: int
    places: int = 0
    """The number of places that the outputs are those of; 0: they are those of the whole image."""

    @nn.compact
    def __call__(self, x: Images, deterministic: bool) -> Float[Array, "B *T E"]:
        """Map [B, H, W, C] -> [B, num_outputs], or [B, places, num_outputs]."""
        for width in self.channels:
            x = Down(width)(x)
            for _ in range(self.blocks):
                x = Block(self.finish)(x, deterministic)
        x = self.finish(x, deterministic)
        x = x.reshape(x.shape[0], self.places, self.channels[-1]) if self.places else x.reshape(x.shape[0], -1)
        return nn.Dense(self.num_outputs, kernel_init=output_init, name="output")(x)


class Decoder(nn.Module):
    """The mirrored encoder: a dense layer, of z or at each place, stages of residual blocks and `Up`, and a convolution."""

    channels: tuple[int, ...]
    sizes: tuple[Pair, ...]
    """(H, W) of the image and of each of the encoder's stages."""
    num_outputs: int
    finish: Finish
    blocks: int

    @nn.compact
    def __call__(self, z: Float[Array, "B *T Z"], deterministic: bool) -> Images:
        """Map [B, Z], or [B, h w, Z] of h x w places, -> [B, H, W, num_outputs]."""
        (height, width), deepest = self.sizes[-1], self.channels[-1]
        number = deepest if z.ndim == 3 else height * width * deepest
        x = nn.Dense(number, kernel_init=hidden_init)(z).reshape(z.shape[0], height, width, deepest)
        for i in reversed(range(len(self.channels))):
            for _ in range(self.blocks):
                x = Block(self.finish)(x, deterministic)
            x = Up(self.channels[max(i - 1, 0)], self.sizes[i])(x)
        return Output(self.num_outputs, name="output")(self.finish(x, deterministic))


def make_resnet(config: Config, ports: Ports) -> Networks:
    """Make residual networks of any depth; the decoder returns exactly H x W pixels for any H and W.

    They read channels, resnet.blocks, activation, dropout and dtype.
    """
    sizes = downsampled(ports.image[:2], len(config.channels))
    grid = sizes[-1] if ports.parts else ()
    finish, blocks = _make_finish(config), config.resnet.blocks
    encoder = Encoder(config.channels, ports.features, finish, blocks, grid[0] * grid[1] if grid else 0)
    decoder = Decoder(config.channels, sizes, ports.outputs, finish, blocks)
    layers = partial(resnet_layers, config, ports.image, bool(grid))
    return join(config, ports, encoder, decoder, layers, grid)


def _make_finish(config: Config) -> Finish:
    """Make the function before each convolution: group normalisation (Wu and He 2018), activation, dropout."""

    def finish(x: Images, deterministic: bool) -> Images:
        x = ACTIVATIONS[config.activation](GroupNorm()(x))
        return nn.Dropout(config.dropout, deterministic=deterministic)(x)

    return finish
