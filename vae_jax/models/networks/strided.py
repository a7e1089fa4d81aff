"""The layers of the convolutional networks, with their initial weights."""

import flax.linen as nn
from jaxtyping import Array, Float

from vae_jax.models.networks.convolution import (
    KERNEL,
    STRIDES,
    Large,
    Pair,
    Small,
    conv_transpose,
    convolve,
    padding_to_size,
    same_padding,
)
from vae_jax.models.networks.network import INITS

hidden_init, output_init = INITS["he"]


def transposed_init(strides: Pair) -> nn.initializers.Initializer:
    """Return He's initialiser, scaled up because each pixel meets only one in so many of the kernel's taps."""
    return nn.initializers.variance_scaling(2.0 * strides[0] * strides[1], "fan_in", "truncated_normal")


class Conv(nn.Module):
    """A 3x3 convolution; with stride 2 height and width are halved, rounded up."""

    num_outputs: int
    use_bias: bool
    strides: Pair = STRIDES

    @nn.compact
    def __call__(self, x: Large) -> Small:
        """Map [B, H, W, F] -> [B, h, w, num_outputs], h = ceil(H / stride)."""
        kernel = self.param("kernel", hidden_init, (*KERNEL, x.shape[-1], self.num_outputs))
        x = convolve(x, kernel, self.strides, same_padding(x.shape[1:3], KERNEL, self.strides))
        if self.use_bias:
            x += self.param("bias", nn.initializers.zeros_init(), (self.num_outputs,)).reshape(1, 1, 1, -1)
        return x


class ConvTranspose(nn.Module):
    """A 3x3 transposed convolution, to exactly `output_size`."""

    num_outputs: int
    output_size: Pair
    use_bias: bool
    strides: Pair = STRIDES

    @nn.compact
    def __call__(self, x: Small) -> Large:
        """Map [B, h, w, F] -> [B, H, W, num_outputs], h = ceil(H / stride)."""
        kernel = self.param("kernel", transposed_init(self.strides), (*KERNEL, x.shape[-1], self.num_outputs))
        padding = padding_to_size((x.shape[1], x.shape[2]), self.output_size, KERNEL, self.strides)
        x = conv_transpose(x, kernel, self.strides, padding)
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
