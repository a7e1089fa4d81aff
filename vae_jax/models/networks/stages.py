"""The stages of a convolutional network, and the factor between the sides of the image and those of the last stage."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from vae_jax.errors import InputError
from vae_jax.keys import count, numbers
from vae_jax.models.networks.convolution import STRIDES, Pair
from vae_jax.types import Config

CHANNELS = numbers("channels", (32, 64), "channels of the encoder's convolutions; the decoder mirrors them", int, 1)
DOWNSCALE = count(
    "downscale",
    0,
    "factor between the sides of the image and those of the deepest feature map, which is the grid of codes or of latent_grid: a "
    "power of two. The first convolutions halve the sides, rounded up, and the others keep them; 0: all of them halve. It holds "
    "without a grid too, where the dense layer of z reads that map",
)


class Stages(NamedTuple):
    """The geometry of the N stages of an encoder; the decoder goes through them backwards."""

    sizes: tuple[Pair, ...]
    """(H, W) of the image and of the output of each stage: N + 1."""
    strides: tuple[Pair, ...]
    """The strides of each stage: N."""


def stages_of(config: Config, size: Pair) -> Stages:
    """Return the stages of a network for images of `size` (H, W), read from channels and downscale.

    Raises:
        InputError: half of downscale has a grid of one place already.
    """
    number, factor = len(config.channels), config.downscale
    if factor // 2 >= max(size):
        fitting = ", ".join(map(str, _factors(number, max(size))))
        raise InputError(
            f"downscale={factor}: the images have {size[0]} x {size[1]} pixels, which {factor // 2} makes one place already; "
            f"choices: {fitting}"
        )
    halvings = number if not factor else factor.bit_length() - 1
    strides = (STRIDES,) * halvings + ((1, 1),) * (number - halvings)
    sizes = [size]
    for rows, columns in strides:
        sizes.append((-(-sizes[-1][0] // rows), -(-sizes[-1][1] // columns)))
    return Stages(tuple(sizes), strides)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of networks without a convolution, and of factors that their convolutions do not make."""
    number, factor = len(flat["channels"]), flat["downscale"]
    if not number:
        network = flat["network"]
        return [
            f"channels=(): network={network} needs the channels of at least one convolution, such as channels=(32, 64)"
        ]
    fitting = ", ".join(map(str, _factors(number)))
    if factor & (factor - 1):
        return [f"downscale={factor}: not a power of two; choices: {fitting}"]
    if factor > 2**number:
        return [
            f"downscale={factor}: needs {factor.bit_length() - 1} convolutions, and channels={flat['channels']} has {number}; "
            f"choices: {fitting}, or more channels"
        ]
    return []


def _factors(number: int, largest: int = 0) -> list[int]:
    """Return the values of downscale for so many stages, and for images whose longer side has `largest` pixels."""
    return [0, *(2**i for i in range(number + 1) if not largest or 2**i < 2 * largest)]
