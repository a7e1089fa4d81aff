"""All GPU measurements in one command of some minutes: python -m experiments.benchmarks.gpu [--data_dir=DIR]

Everything is measured after compilation on MNIST, with the images on the GPU:
- 100 epochs of the MLP VAE 784-400-20 and 30 of `configs/conv_vae.py` in our real loop, without validation and checkpoints;
- an epoch of 64 seeds at once (`vmap` of the same compiled loop) against an epoch of one seed;
- a step of the MLP against its bare matrix products;
- what limits a step. The same step on tiny arrays launches as many kernels and has almost nothing to compute. If it takes most
  of the full step's time, kernel launches limit the step.

Without a GPU the table says that nothing was measured. --trial runs everything on any machine, with the embedded digits and
tiny sizes, and only prints the table.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmarks import record
from experiments.benchmarks.gpu_runs import ROUNDS, limit, make_population, make_single, step_seconds, train
from experiments.benchmarks.products import make_products
from experiments.benchmarks.rounds import interleave
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import InputError
from vae_jax.system.command import run_command
from vae_jax.training.prepare import prepare
from vae_jax.types import Config

COLUMNS = ("what", "measured", "target", "details")
NOT_MEASURED = "not measured: no GPU"


class Sizes(NamedTuple):
    """The config keys and the sizes of a measurement."""

    mlp: dict[str, str]
    conv: dict[str, str]
    epochs: int
    conv_epochs: int
    seeds: int
    tiny_steps: int


MLP = {"hidden_dims": "400", "latent_dim": "20", "batch_size": "128", "log.latent_every_steps": "0"}
FULL = Sizes(MLP, {}, 100, 30, 64, 400)
TRIAL = Sizes(
    {"hidden_dims": "16", "latent_dim": "3"}, {"channels": "8,8", "latent_dim": "3", "num_train": "128"}, 3, 1, 2, 5
)
TINY = {"batch_size": "2", "latent_dim": "2"}
TINY_CONFIGS = (("vae", MLP | TINY | {"hidden_dims": "8"}), ("conv_vae", TINY | {"channels": "8,8,8,8"}))
"""Configs with as many kernels as FULL, on tiny arrays."""


def make_config(file: str, keys: dict[str, str], flags: Any) -> Config:
    """Read a config file with these keys, on MNIST, or on the digits in a trial."""
    keys = keys | ({"dataset": "digits"} if flags.trial else {"dataset": "mnist", "data_dir": flags.data_dir})
    return command_line.read_file(f"configs/{file}.py", tuple(keys.items()))


def measure(flags: Any, sizes: Sizes) -> list[tuple[str, str]]:
    """Return (measured, details) for each of `targets`."""
    mlp, conv = make_config("vae", sizes.mlp, flags), make_config("conv_vae", sizes.conv, flags)
    cells = []
    for config, epochs, rounds in ((mlp, sizes.epochs, ROUNDS), (conv, sizes.conv_epochs, 1)):
        seconds, steps = train(config, epochs, rounds)
        cells.append((f"{seconds:.2f} s", f"{steps} steps per epoch, {1e6 * seconds / epochs / steps:.0f} us each"))
    run = prepare(mlp)
    products = make_products(mlp, int(np.prod(run.shape)), run.steps_per_epoch)
    population = make_population(run, sizes.seeds)
    seconds_of, _ = interleave({"one": make_single(run), "all": population, "products": products}, ROUNDS)
    one, together, bare = (float(np.median(seconds_of[name])) for name in ("one", "all", "products"))
    cells.append((f"{together / one:.2f}", f"{together:.3f} s and {one:.3f} s"))
    each = [1e6 * seconds / run.steps_per_epoch for seconds in (one, bare)]
    cells.append((f"{one / bare:.2f}", f"{each[0]:.0f} us and {each[1]:.0f} us per step"))
    few = {"num_train": str(int(TINY["batch_size"]) * sizes.tiny_steps)}
    tiny, tiny_conv = (step_seconds(make_config(file, keys | few, flags)) for file, keys in TINY_CONFIGS)
    cells.append(limit(one / run.steps_per_epoch, tiny, bare / run.steps_per_epoch))
    cells.append(limit(step_seconds(conv), tiny_conv, None))
    cells.append((f"{peak_gib():.2f} GiB", "of GPU memory in all rows above, without XLA's reserve"))
    return cells


def peak_gib() -> float:
    """Return the peak memory of the first device, GiB; 0 if the device does not report it."""
    return ((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)) / 2**30


def targets(sizes: Sizes) -> list[tuple[str, str]]:
    """Return (what, target) for each row."""
    return [
        (f"MLP VAE, {sizes.epochs} epochs", "< 3 s"),
        (f"convolutional VAE, {sizes.conv_epochs} epochs", "< 30 s"),
        (f"{sizes.seeds} seeds at once / one, MLP VAE", "< 4"),
        ("MLP VAE / its matrix products", ""),
        ("MLP VAE, limit of a step", ""),
        ("convolutional VAE, limit of a step", ""),
        ("peak memory", ""),
    ]


def check_replaceable(file: Path) -> None:
    """Raise InputError if the file has measurements of a GPU, which a machine without one must not overwrite."""
    if file.is_file():
        facts = json.loads(file.read_text(encoding="utf-8"))
        if any(NOT_MEASURED not in row for row in facts["rows"]):
            raise InputError(
                f"{file.name}: was measured on {facts['machine']}; not overwritten, because this machine has no GPU"
            )


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument("--trial", action="store_true", help="tiny sizes, on any device; only print the table")
    flags = parser.parse_args(argv)
    sizes, missing = TRIAL if flags.trial else FULL, jax.default_backend() == "cpu" and not flags.trial
    if missing:
        check_replaceable(record.ROOT / "benchmarks" / "results" / "gpu.json")
    cells = [(NOT_MEASURED, "")] * len(targets(sizes)) if missing else measure(flags, sizes)
    rows = [[what, value, target, why] for (what, target), (value, why) in zip(targets(sizes), cells, strict=True)]
    notes = [
        "Medians, after compilation. Training: our real loop without validation and checkpoints. The other rows: an epoch in "
        "one call. Kernel launches limit a step if the same step on tiny arrays takes at least half its time."
    ]
    title, command = "One GPU, MNIST", record.command("gpu", argv)
    record.save("gpu", command, title, COLUMNS, rows, notes, keep=not flags.trial)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
