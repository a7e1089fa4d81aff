"""Residual networks with pre-activation (He et al. 2016b), for images of any height, width and number of channels."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from vae_jax.keys import count
from vae_jax.models.networks.conv import join
from vae_jax.models.networks.convolution import Pair
from vae_jax.models.networks.network import ACTIVATION, ACTIVATIONS, Networks, Ports
from vae_jax.models.networks.residual import Down, GroupNorm, Same, Up, hidden_init, output_init, zeros
from vae_jax.models.networks.resnet_layers import resnet_layers
from vae_jax.models.networks.stages import CHANNELS, DOWNSCALE, Stages, stages_of
from vae_jax.models.networks.strided import Output
from vae_jax.types import Config, Images

KEYS = (
    CHANNELS,
    DOWNSCALE,
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
    """Stages of a 3x3 convolution, of stride 2 at first, and residual blocks; a dense layer at the end, or at each place."""

    channels: tuple[int, ...]
    strides: tuple[Pair, ...]
    """The strides of each stage."""
    num_outputs: int
    finish: Finish
    blocks: int
    places: int = 0
    """The number of places that the outputs are those of; 0: they are those of the whole image."""

    @nn.compact
    def __call__(self, x: Images, deterministic: bool) -> Float[Array, "B *T E"]:
        """Map [B, H, W, C] -> [B, num_outputs], or [B, places, num_outputs]."""
        for width, strides in zip(self.channels, self.strides, strict=True):
            x = Down(width, strides)(x)
            for _ in range(self.blocks):
                x = Block(self.finish)(x, deterministic)
        x = self.finish(x, deterministic)
        x = x.reshape(x.shape[0], self.places, self.channels[-1]) if self.places else x.reshape(x.shape[0], -1)
        return nn.Dense(self.num_outputs, kernel_init=output_init, name="output")(x)


class Decoder(nn.Module):
    """The mirrored encoder: a dense layer, of z or at each place, stages of residual blocks and `Up`, and a convolution."""

    channels: tuple[int, ...]
    stages: Stages
    """The geometry of the encoder's stages."""
    num_outputs: int
    finish: Finish
    blocks: int

    @nn.compact
    def __call__(self, z: Float[Array, "B *T Z"], deterministic: bool) -> Images:
        """Map [B, Z], or [B, h w, Z] of h x w places, -> [B, H, W, num_outputs]."""
        (height, width), deepest = self.stages.sizes[-1], self.channels[-1]
        number = deepest if z.ndim == 3 else height * width * deepest
        x = nn.Dense(number, kernel_init=hidden_init)(z).reshape(z.shape[0], height, width, deepest)
        for i in reversed(range(len(self.channels))):
            for _ in range(self.blocks):
                x = Block(self.finish)(x, deterministic)
            x = Up(self.channels[max(i - 1, 0)], self.stages.sizes[i], self.stages.strides[i])(x)
        return Output(self.num_outputs, name="output")(self.finish(x, deterministic))


def make_resnet(config: Config, ports: Ports) -> Networks:
    r"""Make residual networks of any depth; the decoder returns exactly H x W pixels for any H and W.

    .. math:: h_{l+1} = h_l + W'_l * a(\mathrm{GN}(W_l * a(\mathrm{GN}(h_l))))

    They read channels, downscale, resnet.blocks, activation, dropout and dtype.
    """
    stages = stages_of(config, ports.image[:2])
    grid = stages.sizes[-1] if ports.parts else ()
    finish, blocks = _make_finish(config), config.resnet.blocks
    places = grid[0] * grid[1] if grid else 0
    encoder = Encoder(config.channels, stages.strides, ports.features, finish, blocks, places)
    decoder = Decoder(config.channels, stages, ports.outputs, finish, blocks)
    layers = partial(resnet_layers, config, ports.image, bool(grid))
    return join(config, ports, encoder, decoder, layers, grid)


def _make_finish(config: Config) -> Finish:
    """Make the function before each convolution: group normalisation (Wu and He 2018), activation, dropout."""

    def finish(x: Images, deterministic: bool) -> Images:
        x = ACTIVATIONS[config.activation](GroupNorm()(x))
        return nn.Dropout(config.dropout, deterministic=deterministic)(x)

    return finish
