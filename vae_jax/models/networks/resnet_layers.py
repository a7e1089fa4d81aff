"""The residual networks as plain lists of layers."""

from vae_jax.models.networks.convolution import KERNEL, Pair, same_padding
from vae_jax.models.networks.layers import GROUP_NORM_EPSILON, Layer, arrays_of, from_places, to_places
from vae_jax.models.networks.residual import num_groups
from vae_jax.models.networks.stages import stages_of
from vae_jax.types import Config, Params

Shape = tuple[int, ...]


def resnet_layers(
    config: Config, shape: tuple[int, int, int], on_grid: bool, params: Params
) -> tuple[list[Layer], list[Layer]]:
    """Return the layers (encoder, decoder) of `make_resnet` with these params, as `layers.conv_layers` does."""
    (sizes, strides), own = stages_of(config, (shape[0], shape[1])), params["encoder"]
    encoder: list[Layer] = []
    for i, width in enumerate(config.channels):
        output = (*sizes[i + 1], width)
        encoder.append(_conv(own[f"Down_{i}"], output, same_padding(sizes[i], KERNEL, strides[i]), strides[i]))
        encoder += _blocks(config, own, i, output)
    encoder += _finish(config, own["GroupNorm_0"], encoder[-1].output)
    smallest = encoder[-1].output
    encoder += from_places(own["output"], smallest, on_grid)

    own = params["decoder"]
    decoder = to_places(own["Dense_0"], smallest, on_grid)
    for i in range(len(config.channels)):
        decoder += _blocks(config, own, i, decoder[-1].output)
        above = len(config.channels) - 1 - i
        decoder += _up(own[f"Up_{i}"], decoder[-1].output, sizes[above], strides[above])
    decoder += _finish(config, own["GroupNorm_0"], decoder[-1].output)
    outputs = (*shape[:2], own["output"]["kernel"].shape[-1])
    return encoder, [*decoder, _conv(own["output"], outputs, same_padding(shape[:2], KERNEL, (1, 1)))]


def _conv(params: Params, output: Shape, padding: tuple[Pair, Pair], strides: Pair = (1, 1)) -> Layer:
    return Layer("conv", output, arrays_of(params), {"strides": strides, "padding": padding})


def _up(params: Params, shape: Shape, size: Pair, strides: Pair) -> list[Layer]:
    """Return the layers of `residual.Up`; less padding behind takes the place of its cut."""
    height, width, channels = shape
    if strides == (1, 1):
        return [_conv(params, (*size, params["kernel"].shape[-1]), same_padding(size, KERNEL, strides))]
    doubled = Layer("upsample", (2 * height, 2 * width, channels), {}, {"factors": (2, 2)})
    padding = (1, 1 + size[0] - 2 * height), (1, 1 + size[1] - 2 * width)
    return [doubled, _conv(params, (*size, params["kernel"].shape[-1]), padding)]


def _blocks(config: Config, params: Params, stage: int, shape: Shape) -> list[Layer]:
    """Return the layers of a stage's residual blocks."""
    layers: list[Layer] = []
    for number in range(config.resnet.blocks):
        own = params[f"Block_{stage * config.resnet.blocks + number}"]
        layers.append(Layer("keep", shape))
        for i in range(2):
            layers += _finish(config, own[f"GroupNorm_{i}"], shape)
            layers.append(_conv(own[f"Same_{i}"], shape, same_padding(shape[:2], KERNEL, (1, 1))))
        layers.append(Layer("add", shape))
    return layers


def _finish(config: Config, params: Params, shape: Shape) -> list[Layer]:
    """Return the layers of `resnet._make_finish`, without dropout."""
    numbers = {"groups": num_groups(shape[-1]), "epsilon": GROUP_NORM_EPSILON}
    norm = Layer("group_norm", shape, arrays_of(params), numbers)
    return [norm, Layer("activation", shape, {}, {"name": config.activation})]
