"""Time and memory against size: python -m experiments.benchmarks.scaling [--data_dir=DIR] [--quick]

The base is a Bernoulli VAE 784-400-20 on 10,000 images of MNIST, with batches of 128, on the CPU. One size grows at a time:
- the data set: MNIST repeated, in a .npy file of up to 1.6 GB in a temporary folder (--scratch), read by `dataset=arrays`;
- the latent size;
- the hidden layer;
- the number of virtual devices over which a batch is spread. All of them share the machine's cores.

Each point is a process. It trains one call to compile and then 4 times 50 steps, and reports the median time and its peak
resident memory. All points take some minutes on two cores. --quick takes two points per line and only prints them.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.benchmarks import record
from experiments.benchmarks.peers_code import processes
from experiments.benchmarks.peers_code.contestants import ON_THE_CPU
from vae_jax import config as config_lib
from vae_jax import data
from vae_jax.commands import arguments
from vae_jax.system.command import run_command

BASE = {"images": 10_000, "latent size": 20, "hidden units": 400, "devices": 1}
LINES = {
    "images": (1000, 10_000, 100_000, 1_000_000),
    "latent size": (2, 8, 32, 128, 512),
    "hidden units": (128, 256, 512, 1024, 2048, 4096),
    "devices": (1, 2, 4, 8),
}
QUICK = {"images": (1000, 10_000), "latent size": (2, 512), "hidden units": (128, 1024), "devices": (1, 2)}
LIMIT = 600
"""The seconds after which a point is stopped."""
PIECE = 10_000


class Point(NamedTuple):
    """A measured point."""

    line: str
    value: int
    ms: float
    """The time of a step."""
    steps: int
    """The steps per epoch."""
    peak: float
    """The peak memory, MiB."""


def write_images(source: np.ndarray, file: Path, count: int) -> None:
    """Write images u8[count, H, W], the source repeated, piece by piece."""
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, *source.shape[1:3]))
    for start in range(0, count, PIECE):
        rows = np.arange(start, min(start + PIECE, count)) % len(source)
        images[start : start + len(rows)] = source[rows, :, :, 0]


def measure(line: str, value: int, file: Path, scratch: Path) -> Point | str:
    """Measure a point, or return the reason why it failed."""
    sizes = BASE | {line: value}
    keys = {
        "dataset": "arrays",
        "data_dir": str(file),
        "cache_dir": str(scratch / "cache"),
        "compilation_cache": "false",
    }
    keys |= {"latent_dim": str(sizes["latent size"]), "hidden_dims": str(sizes["hidden units"])}
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={sizes['devices']}"
    answer = scratch / "answer.json"
    command = [sys.executable, "-m", "experiments.benchmarks.point", json.dumps({"keys": keys, "answer": str(answer)})]
    try:
        processes.finish(command, scratch / "log", os.environ | ON_THE_CPU | {"XLA_FLAGS": flags.strip()}, LIMIT)
    except processes.Failed as failure:
        return str(failure)
    return Point(line, value, **json.loads(answer.read_text(encoding="utf-8")))


def row(line: str, value: int, point: Point | str) -> list[str]:
    """Return the cells of a point."""
    name = f"{line} = {value:,}"
    if isinstance(point, str):
        return [name, point, "", ""]
    return [name, f"{point.ms:.2f}", f"{point.ms * point.steps / 1000:.3g}", f"{point.peak:.0f}"]


def picture(points: list[Point]) -> bytes:
    """Draw a PNG: a panel per line, with the time of a step (left axis) and the peak memory (right), on equal log scales."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    from vae_jax.artifacts.figures import png_bytes
    from vae_jax.artifacts.figures.colours import BLUE, ORANGE

    figure = Figure(figsize=(9, 6.5), dpi=100, layout="constrained")
    for left, line in zip(figure.subplots(2, 2).flat, LINES, strict=True):
        own = [point for point in points if point.line == line]
        xs = [point.value for point in own]
        kinds = (("ms", "time of a step, ms", BLUE, "o-"), ("peak", "peak memory, MiB", ORANGE, "s--"))
        for axes, (field, label, colour, style) in zip((left, left.twinx()), kinds, strict=True):
            all_values = [getattr(point, field) for point in points]
            axes.plot(xs, [getattr(point, field) for point in own], style, color=colour)
            axes.set(xscale="log", yscale="log", ylim=(0.8 * min(all_values), 1.25 * max(all_values)))
            axes.set_ylabel(label, color=colour)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_xticks(xs, [f"{x:,}" for x in xs])
            axes.xaxis.set_minor_locator(NullLocator())
        left.set_xlabel({"images": "images of the set", "devices": "virtual CPU devices"}.get(line, line))
        left.grid(alpha=0.3)
    return png_bytes(figure)


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument(
        "--scratch", type=arguments.path, metavar="DIR", help="the folder of the sets (a temporary one)"
    )
    parser.add_argument("--quick", action="store_true", help="few points; only print the table")
    flags = parser.parse_args(argv)
    config = config_lib.defaults()
    config.dataset, config.data_dir = "mnist", flags.data_dir
    source, rows, points = data.load(config).train.images, [], []
    started, others = time.perf_counter(), record.others_seconds()
    with tempfile.TemporaryDirectory(dir=flags.scratch) as folder:
        scratch = Path(folder)
        for line, values in (QUICK if flags.quick else LINES).items():
            for value in values:
                count = (BASE | {line: value})["images"]
                file = scratch / f"{count}.npy"
                if not file.exists():
                    write_images(source, file, count)
                point = measure(line, value, file, scratch)
                rows.append(row(line, value, point))
                points += [point] if isinstance(point, Point) else []
                if count > BASE["images"]:
                    file.unlink()
    others = (record.others_seconds() - others) / (time.perf_counter() - started)
    notes = [
        "A VAE 784-400-20 on 10,000 images, with one size varied at a time; 72% of the images are trained on. The time of an "
        "epoch is its number of steps times the time of a step. The peak includes compilation. Other processes kept "
        f"{others:.1f} cores busy."
    ]
    columns = ["size", "step, ms", "epoch, s", "peak memory, MiB"]
    title, command = "Time and memory against size, on the CPU", record.command("scaling", argv)
    record.save(
        "scaling", command, title, columns, rows, notes, None if flags.quick else picture(points), not flags.quick
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
