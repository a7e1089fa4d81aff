"""Each convolution of the configs by itself: python -m experiments.benchmarks.conv_layers [--only=conv_vae,...] [--rounds=15]

Time each layer of a config's encoder and decoder, at MNIST's size and the config's batch size. The forward pass, the gradient of
the input and the gradient of the kernel are separate compiled programs. The table has their milliseconds and their billion
floating point operations per second (two per product; all three have the same number of products). If a layer's rate is far
below its neighbours', the compiler has a slow path for it. A layer `up` convolves an image at twice its size by nearest
neighbours; its products are those of the image at that size, 4/9 of which are computed.
"""

import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from experiments.benchmarks import record
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import one_of
from vae_jax.models.networks.convolution import (
    KERNEL,
    STRIDES,
    conv_transpose,
    convolve,
    padding_to_size,
    same_padding,
)
from vae_jax.models.networks.doubled import convolve_doubled
from vae_jax.models.networks.stages import stages_of
from vae_jax.system import devices
from vae_jax.system.command import run_command
from vae_jax.types import Config

RESNET = (("network", "resnet"), ("channels", "(32, 64)"), ("batch_size", "100"))
CONFIGS = {
    "conv_vae": ("configs/conv_vae.py", ()),
    "conv_ae": ("configs/conv_ae.py", ()),
    "conv_dae": ("configs/conv_dae.py", ()),
    "resnet": ("configs/base.py", RESNET),
}
"""Name -> a config file and what is changed in it."""
SIZE = 28
COLUMNS = ("layer", "in", "out", "million operations", "forward", "input gradient", "kernel gradient")

Shape = tuple[int, ...]


class Layer(NamedTuple):
    """A convolution: (x, kernel) -> y."""

    name: str
    function: Callable[[jax.Array, jax.Array], jax.Array]
    x: Shape
    kernel: Shape
    y: Shape
    doubled: bool = False
    """True if x is convolved at twice its size."""

    def operations(self) -> int:
        """Return the floating point operations of a pass: each position of the smaller side uses each kernel element."""
        positions = math.prod(self.y[:3])
        if not self.doubled:
            positions = min(positions, math.prod(self.x[:3]))
        return 2 * positions * math.prod(self.kernel)


def layers(config: Config) -> list[Layer]:
    """Return the convolutions of a config's networks, in order."""
    return resnet_layers(config) if config.network == "resnet" else conv_layers(config)


def resnet_layers(config: Config) -> list[Layer]:
    """Return the different convolutions of residual networks; encoder and decoder have the same in their blocks."""
    batch, channels = config.batch_size, (1, *config.channels)
    sizes = [height for height, _ in stages_of(config, (SIZE, SIZE)).sizes]
    shapes = [(batch, size, size, width) for size, width in zip(sizes, channels, strict=True)]
    down, block, up = [], [], []
    for i, (large, small) in enumerate(itertools.pairwise(shapes)):
        strided = _bound(partial(convolve, in_parts=True), STRIDES, same_padding(large[1:3], KERNEL, STRIDES))
        same = _bound(partial(convolve, in_parts=True), (1, 1), same_padding(small[1:3], KERNEL, (1, 1)))
        wide, narrow = channels[i + 1], channels[max(i, 1)]
        down.append(Layer(f"down {i + 1}", strided, large, (*KERNEL, channels[i], wide), small))
        block.append(Layer(f"block {i + 1}", same, small, (*KERNEL, wide, wide), small))
        up.append(
            Layer(f"up {i + 1}", convolve_doubled, small, (*KERNEL, wide, narrow), (*large[:3], narrow), doubled=True)
        )
    return [*down, *block, *reversed(up), _output(config)]


def conv_layers(config: Config) -> list[Layer]:
    """Return the convolutions of a config with network=conv, in order."""
    batch, sizes, channels = config.batch_size, [SIZE], (1, *config.channels)
    result = []
    for i, (narrow, wide) in enumerate(zip(channels, config.channels, strict=False)):
        sizes.append(-(-sizes[-1] // STRIDES[0]))
        x, y = (batch, sizes[i], sizes[i], narrow), (batch, sizes[i + 1], sizes[i + 1], wide)
        function = _bound(convolve, STRIDES, same_padding(x[1:3], KERNEL, STRIDES))
        result.append(Layer(f"encoder {i + 1}", function, x, (*KERNEL, narrow, wide), y))
    for number, i in enumerate(reversed(range(len(config.channels)))):
        wide, narrow, small, large = config.channels[i], config.channels[max(i - 1, 0)], sizes[i + 1], sizes[i]
        padding = padding_to_size((small, small), (large, large), KERNEL, STRIDES)
        function = _bound(conv_transpose, STRIDES, padding)
        x, y = (batch, small, small, wide), (batch, large, large, narrow)
        result.append(Layer(f"decoder {number + 1}", function, x, (*KERNEL, wide, narrow), y))
    return [*result, _output(config)]


def _output(config: Config) -> Layer:
    x, y = (config.batch_size, SIZE, SIZE, config.channels[0]), (config.batch_size, SIZE, SIZE, 1)
    function = _bound(convolve, (1, 1), same_padding(x[1:3], KERNEL, (1, 1)))
    return Layer("decoder output", function, x, (*KERNEL, config.channels[0], 1), y)


def _bound(function: Callable[..., jax.Array], strides: Any, padding: Any) -> Callable[..., jax.Array]:
    return lambda x, kernel: function(x, kernel, strides, padding)


def milliseconds(layer: Layer, rounds: int) -> list[float]:
    """Time the forward pass, the gradient of x and the gradient of the kernel: medians over rounds, ms."""
    key_x, key_kernel, key_y = jax.random.split(jax.random.key(0), 3)
    x, kernel = jax.random.normal(key_x, layer.x), jax.random.normal(key_kernel, layer.kernel)
    y = jax.random.normal(key_y, layer.y)
    passes = [
        (jax.jit(layer.function), (x, kernel)),
        (jax.jit(lambda x, kernel, y: jax.vjp(lambda x: layer.function(x, kernel), x)[1](y)), (x, kernel, y)),
        (jax.jit(lambda x, kernel, y: jax.vjp(lambda k: layer.function(x, k), kernel)[1](y)), (x, kernel, y)),
    ]
    medians = []
    for function, inputs in passes:
        jax.block_until_ready(function(*inputs))  # compiles
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            jax.block_until_ready(function(*inputs))
            seconds.append(time.perf_counter() - start)
        medians.append(1000 * statistics.median(seconds))
    return medians


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--only", default=",".join(CONFIGS), metavar="NAME,...", help=f"configs ({','.join(CONFIGS)})")
    parser.add_argument("--rounds", type=arguments.count, default=15, metavar="N", help="passes per layer (15)")
    flags = parser.parse_args(argv)
    rows = []
    for name in flags.only.split(","):
        config = command_line.read_file(*CONFIGS[one_of("--only", name, CONFIGS)])
        devices.keep_memory(config)
        for layer in layers(config):
            count = layer.operations() / 1e6
            cells = [f"{ms:.2f} ms, {count / ms:.0f}/ns" for ms in milliseconds(layer, flags.rounds)]
            shapes = (" x ".join(map(str, shape)) for shape in (layer.x, layer.y))
            rows.append([f"{name} {layer.name}", *shapes, f"{count:.1f}", *cells])
    record.save(
        "conv_layers",
        record.command("conv_layers", argv),
        "Convolutions, layer by layer",
        COLUMNS,
        rows,
        [
            "Median milliseconds, and billion floating point operations per second (operations/ns).",
            "resnet: channels (32, 64). `up` counts the products of the image at twice its size; 4/9 of them are computed.",
        ],
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
