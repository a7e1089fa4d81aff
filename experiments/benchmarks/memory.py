"""Peak memory of training against the size of the set: python -m experiments.benchmarks.memory [--images=10000,100000]

Each number is the peak of one process, `python -m vae_jax.main`, from its start to its last figure. The MNIST row is an epoch of
the VAE 784-400-20 (--data_dir; default: download). The other rows are an epoch of a small VAE on random 64 x 64 colour images
from a .npy file in a temporary folder (--scratch), which needs twice 12 KiB per image. `streaming=auto`, the default, is off for
sets that take less than a quarter of the machine's memory.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from vae_jax.commands import arguments
from vae_jax.system.command import run_command

SHAPE = (64, 64, 3)
TRAIN = """
import sys
from pathlib import Path
from vae_jax import main
assert main.run(sys.argv[1:]) == 0
status = Path("/proc/self/status").read_text()
print(next(line for line in status.splitlines() if line.startswith("VmHWM")))
"""
"""The code of the process. It does not use `ru_maxrss`, because a child starts with the peak of its parent."""


def write_images(file: Path, count: int) -> None:
    """Write random images, piece by piece."""
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, *SHAPE))
    for start in range(0, count, 1000):
        images[start : start + 1000] = np.random.default_rng(start).integers(
            0, 256, images[start : start + 1000].shape, np.uint8
        )


def peak(keys: dict[str, Any], scratch: Path, streaming: str) -> float:
    """Return the peak resident memory of a run of main, MiB, including shared pages of files."""
    keys = {"latent_dim": 20, "batch_size": 128, "log.latent_every_steps": 0} | keys
    keys |= {"num_epochs": 1, "streaming": streaming, "cache_dir": scratch / "cache"}
    with tempfile.TemporaryDirectory(dir=scratch) as workdir:
        flags = ["--config=configs/vae.py", f"--workdir={workdir}/run"]
        flags += [f"--config.{key}={value}" for key, value in keys.items()]
        done = subprocess.run([sys.executable, "-c", TRAIN, *flags], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1024


def row(name: str, size: int, keys: dict[str, Any], scratch: Path) -> list[Any]:
    """Return the cells of a row, for a set of `size` bytes; the first run of each kind fills the caches."""
    cells = [peak(keys, scratch, streaming) for streaming in ("on", "on", "off", "off")]
    return [name, round(size / 2**20), *map(round, (cells[1], cells[3], cells[2]))]


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--images", default="10000,100000", metavar="N,...", help="sizes of the set (10000,100000)")
    parser.add_argument(
        "--scratch", type=arguments.path, metavar="DIR", help="the folder of the sets (a temporary one)"
    )
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument("--trial", action="store_true", help="only print the table")
    flags = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory(dir=flags.scratch) as folder:
        scratch = Path(folder)
        mnist = {"dataset": "mnist", "data_dir": flags.data_dir, "hidden_dims": 400, "latent_dim": 20}
        rows.append(row("MNIST, 784-400-20", 70_000 * 784, mnist, scratch))
        for count in map(int, flags.images.split(",")):
            file = scratch / f"{count}.npy"
            write_images(file, count)
            keys = {"dataset": "arrays", "data_dir": file, "hidden_dims": 64, "eval.batch_size": 500}
            rows.append(row(f"{count:,} in colour", file.stat().st_size, keys, scratch))
            file.unlink()
    kinds = ("streaming=on", "streaming=off", "streaming=off, compiling")
    columns = ["images", "size of the set, MiB", *(f"peak, {kind}, MiB" for kind in kinds)]
    notes = [
        "Peaks of `python -m vae_jax.main` from start to end, including final evaluation and figures. The compilation cache is "
        "filled, except in the last column, where the programs are compiled."
    ]
    title, command = "Memory against the size of the set", record.command("memory", argv)
    record.save("memory", command, title, columns, rows, notes, keep=not flags.trial)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
