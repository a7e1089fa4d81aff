"""The layers of the residual networks, with their initial weights."""

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from vae_jax.models.networks.convolution import (
    GROUP_SIZE,
    KERNEL,
    STRIDES,
    Large,
    Pair,
    Small,
    convolve,
    same_padding,
)
from vae_jax.models.networks.doubled import convolve_doubled
from vae_jax.models.networks.layers import GROUP_NORM_EPSILON
from vae_jax.models.networks.network import INITS

hidden_init, output_init = INITS["he"]
zeros = nn.initializers.zeros_init()


class Same(nn.Module):
    """A 3x3 convolution of stride 1 without a bias; height and width stay."""

    num_outputs: int
    kernel_init: nn.initializers.Initializer = hidden_init

    @nn.compact
    def __call__(self, x: Large) -> Float[Array, "B H W O"]:
        """Map [B, H, W, F] -> [B, H, W, num_outputs]."""
        kernel = self.param("kernel", self.kernel_init, (*KERNEL, x.shape[-1], self.num_outputs))
        return convolve(x, kernel, (1, 1), same_padding(x.shape[1:3], KERNEL, (1, 1)), in_parts=True)


class Down(nn.Module):
    """A 3x3 convolution without a bias; with stride 2 height and width are halved, rounded up."""

    num_outputs: int
    strides: Pair = STRIDES

    @nn.compact
    def __call__(self, x: Large) -> Small:
        """Map [B, H, W, F] -> [B, h, w, num_outputs], h = ceil(H / stride)."""
        kernel = self.param("kernel", hidden_init, (*KERNEL, x.shape[-1], self.num_outputs))
        return convolve(x, kernel, self.strides, same_padding(x.shape[1:3], KERNEL, self.strides), in_parts=True)


class Up(nn.Module):
    """Twice the height and width by nearest neighbours, a 3x3 convolution without a bias, and a cut to `output_size`.

    With strides of 1 there is the convolution alone.
    """

    num_outputs: int
    output_size: Pair
    strides: Pair = STRIDES

    @nn.compact
    def __call__(self, x: Float[Array, "B h w F"]) -> Float[Array, "B H W O"]:
        """Map [B, h, w, F] -> [B, H, W, num_outputs], h = ceil(H / stride)."""
        kernel = self.param("kernel", hidden_init, (*KERNEL, x.shape[-1], self.num_outputs))
        if self.strides == (1, 1):
            return convolve(x, kernel, (1, 1), same_padding(x.shape[1:3], KERNEL, (1, 1)), in_parts=True)
        return convolve_doubled(x, kernel)[:, : self.output_size[0], : self.output_size[1]]


class GroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018), equal to flax's up to rounding and on a CPU two to three times as fast.

    Sums go over the pixels of a channel first, and then over the channels of a group. The output is x times a slope plus an
    offset, one each per channel, so that the gradient is made of the same sums. Mean and variance are at least float32.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "B H W F"]) -> Float[Array, "B H W F"]:
        """Normalise each image's groups of channels, then scale and shift each channel."""
        channels = x.shape[-1]
        groups = num_groups(channels)
        scale, bias = (
            self.param(name, init, (channels,)) for name, init in (("scale", nn.initializers.ones), ("bias", zeros))
        )
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))

        def mean(values: Float[Array, "B H W F"]) -> Float[Array, "B F"]:
            means = values.mean(axis=(1, 2)).reshape(-1, groups, channels // groups).mean(axis=2)
            return jnp.repeat(means, channels // groups, axis=1)

        first = mean(wide)
        variance = jnp.maximum(mean(wide * wide) - first * first, 0)
        slope = lax.rsqrt(variance + GROUP_NORM_EPSILON) * scale[None]
        offset = bias[None] - first * slope
        return (wide * slope[:, None, None] + offset[:, None, None]).astype(x.dtype)


def num_groups(channels: int) -> int:
    """Return the number of groups of so many channels: of GROUP_SIZE each, or one."""
    return channels // GROUP_SIZE if channels % GROUP_SIZE == 0 else 1
