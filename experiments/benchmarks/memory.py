"""Peak memory of training against the size of the set: python -m experiments.benchmarks.memory [--images=10000,100000]

Every number is that of a process, `python -m vae_jax.main` from its start to its last figure. MNIST: an epoch of the VAE
784-400-20 (--data_dir; else it is downloaded). The others: an epoch of a small VAE on so many random 64 x 64 colour images
from a .npy file, which lies in a temporary folder (--scratch) and takes 12 KiB an image, twice. `streaming=auto`, the default,
is off for sets that take less than a quarter of the machine's memory.
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
"""Not the parent's `ru_maxrss`: a child starts with the peak of the process that made it."""


def write_images(file: Path, count: int) -> None:
    """Random images, written piece by piece."""
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, *SHAPE))
    for start in range(0, count, 1000):
        images[start : start + 1000] = np.random.default_rng(start).integers(
            0, 256, images[start : start + 1000].shape, np.uint8
        )


def peak(keys: dict[str, Any], scratch: Path, streaming: str) -> float:
    """MiB of the largest resident memory of a run of main, shared pages of files included."""
    keys = keys | {"num_epochs": 1, "streaming": streaming, "cache_dir": scratch / "cache"}
    with tempfile.TemporaryDirectory(dir=scratch) as workdir:
        flags = ["--config=configs/vae.py", f"--workdir={workdir}/run"]
        flags += [f"--config.{key}={value}" for key, value in keys.items()]
        done = subprocess.run([sys.executable, "-c", TRAIN, *flags], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1024


def row(name: str, size: int, keys: dict[str, Any], scratch: Path) -> list[Any]:
    """A row of cells, for a set of so many bytes; the first run of each kind fills the caches."""
    cells = [peak(keys, scratch, streaming) for streaming in ("on", "on", "off", "off")]
    return [name, round(size / 2**20), *map(round, (cells[1], cells[3], cells[2]))]


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--images", default="10000,100000", metavar="N,...", help="sizes of the set (10000,100000)")
    parser.add_argument(
        "--scratch", type=arguments.path, metavar="DIR", help="where the sets are written (a temporary folder)"
    )
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four original files (else downloaded)")
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
        "From start to end of `python -m vae_jax.main`, final evaluation and figures included; with a filled compilation "
        "cache, and in the last column without its programs."
    ]
    title, command = "Memory against the size of the set", record.command("memory", argv)
    record.save("memory", command, title, columns, rows, notes, keep=not flags.trial)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
