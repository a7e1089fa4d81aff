"""All that is wanted of a GPU, in one call of some minutes: python -m experiments.benchmarks.gpu [--data_dir=DIR]

On MNIST, whose images lie on the GPU, after compilation: 100 epochs of the MLP VAE 784-400-20 and 30 of `configs/conv_vae.py`
in our real loop, without validation and checkpoints; an epoch of 64 seeds at once, `vmap` of the same compiled loop, against
one; the MLP's step against its bare matrix products; and what a step waits for. That is told by the same step on arrays of
hardly any size: it launches as many kernels, with nothing to do for them. Where it takes most of the time, launches limit.

Without a GPU the table says that nothing was measured. --trial goes through all of it on any machine, on the embedded digits,
with tiny sizes, and only prints the table.
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

COLUMNS = ("what", "measured", "wanted", "details")
NOT_MEASURED = "not measured: no GPU"


class Sizes(NamedTuple):
    """What is trained, and how much of it."""

    mlp: dict[str, str]
    conv: dict[str, str]
    epochs: int
    conv_epochs: int
    seeds: int
    tiny_steps: int


FULL = Sizes({"hidden_dims": "400", "latent_dim": "20"}, {}, 100, 30, 64, 400)
TRIAL = Sizes(
    {"hidden_dims": "16", "latent_dim": "3"}, {"channels": "8,8", "latent_dim": "3", "num_train": "128"}, 3, 1, 2, 5
)
TINY = {"batch_size": "2", "latent_dim": "2"}
TINY_CONFIGS = (("vae", TINY | {"hidden_dims": "8"}), ("conv_vae", TINY | {"channels": "8,8,8,8"}))
"""As many kernels as in FULL, on arrays of hardly any size."""


def make_config(file: str, keys: dict[str, str], flags: Any) -> Config:
    """A config's file with these keys, on MNIST, or in a trial on the digits."""
    keys = keys | ({"dataset": "digits"} if flags.trial else {"dataset": "mnist", "data_dir": flags.data_dir})
    return command_line.read_file(f"configs/{file}.py", tuple(keys.items()))


def measure(flags: Any, sizes: Sizes) -> list[tuple[str, str]]:
    """(measured, details) of each of `wanted`."""
    mlp, conv = make_config("vae", sizes.mlp, flags), make_config("conv_vae", sizes.conv, flags)
    cells = []
    for config, epochs, rounds in ((mlp, sizes.epochs, ROUNDS), (conv, sizes.conv_epochs, 1)):
        seconds, steps = train(config, epochs, rounds)
        cells.append((f"{seconds:.2f} s", f"{steps} steps an epoch, {1e6 * seconds / epochs / steps:.0f} us each"))
    run = prepare(mlp)
    products = make_products(mlp, int(np.prod(run.shape)), run.steps_per_epoch)
    population = make_population(run, sizes.seeds)
    found, _ = interleave({"one": make_single(run), "all": population, "products": products}, ROUNDS)
    one, together, bare = (float(np.median(found[name])) for name in ("one", "all", "products"))
    cells.append((f"{together / one:.2f}", f"{together:.3f} s and {one:.3f} s"))
    each = [1e6 * seconds / run.steps_per_epoch for seconds in (one, bare)]
    cells.append((f"{one / bare:.2f}", f"{each[0]:.0f} us and {each[1]:.0f} us a step"))
    few = {"num_train": str(int(TINY["batch_size"]) * sizes.tiny_steps)}
    tiny, tiny_conv = (step_seconds(make_config(file, keys | few, flags)) for file, keys in TINY_CONFIGS)
    cells.append(limit(one / run.steps_per_epoch, tiny, bare / run.steps_per_epoch))
    cells.append(limit(step_seconds(conv), tiny_conv, None))
    cells.append(
        (f"{peak_gib():.2f} GiB", "of the GPU's memory, all of the above; what XLA keeps in reserve is not in it")
    )
    return cells


def peak_gib() -> float:
    """The most that the first device has held at once; 0 where it does not tell."""
    return ((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)) / 2**30


def wanted(sizes: Sizes) -> list[tuple[str, str]]:
    """(what, the target) of each row."""
    return [
        (f"MLP VAE, {sizes.epochs} epochs", "< 3 s"),
        (f"convolutional VAE, {sizes.conv_epochs} epochs", "< 30 s"),
        (f"{sizes.seeds} seeds at once / one, MLP VAE", "< 4"),
        ("MLP VAE / its matrix products", ""),
        ("MLP VAE, a step waits for", ""),
        ("convolutional VAE, a step waits for", ""),
        ("most memory in use", ""),
    ]


def check_replaceable(file: Path) -> None:
    """Raise InputError where a machine without a GPU would write over what one with a GPU measured."""
    if file.is_file():
        facts = json.loads(file.read_text(encoding="utf-8"))
        if any(NOT_MEASURED not in row for row in facts["rows"]):
            raise InputError(
                f"{file.name}: was measured on {facts['machine']}, and this machine has no GPU; not written over"
            )


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files; without it: download")
    parser.add_argument("--trial", action="store_true", help="tiny sizes, on any device; only printed")
    flags = parser.parse_args(argv)
    sizes, missing = TRIAL if flags.trial else FULL, jax.default_backend() == "cpu" and not flags.trial
    if missing:
        check_replaceable(record.ROOT / "benchmarks" / "results" / "gpu.json")
    cells = [(NOT_MEASURED, "")] * len(wanted(sizes)) if missing else measure(flags, sizes)
    rows = [[what, found, target, why] for (what, target), (found, why) in zip(wanted(sizes), cells, strict=True)]
    notes = [
        "After compilation; medians. Training: our real loop without validation and checkpoints. The other rows: an epoch "
        "in one call. A step waits for launches where one with hardly any arithmetic takes half its time or more."
    ]
    title, command = "One GPU, MNIST", record.command("gpu", argv)
    record.save("gpu", command, title, COLUMNS, rows, notes, keep=not flags.trial)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
