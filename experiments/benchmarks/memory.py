"""Peak memory of training against the size of the set: python -m experiments.benchmarks.memory [--images=10000,100000]

Every row is one process: an epoch of a small VAE on so many random 64 x 64 colour images from a .npy file, with `streaming`
on and off. The set lies in a temporary folder (--scratch) and takes 12 KiB an image, twice.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from experiments.benchmarks import record
from vae_jax import arguments, entry

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


def peak(file: Path, scratch: Path, streaming: str) -> float:
    """MiB of the largest resident memory of a training process, shared pages of files included."""
    workdir = scratch / f"{file.stem}-{streaming}"
    keys = {"dataset": "arrays", "data_dir": file, "cache_dir": scratch / "cache", "streaming": streaming}
    keys |= {"num_epochs": 1, "hidden_dims": 64, "eval.batch_size": 500}
    flags = ["--config=configs/vae.py", f"--workdir={workdir}", *(f"--config.{key}={keys[key]}" for key in keys)]
    done = subprocess.run([sys.executable, "-c", TRAIN, *flags], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1024


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--images", default="10000,100000", metavar="N,...", help="sizes of the set (10000,100000)")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where the sets are written (a temporary folder)")
    flags = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory(dir=flags.scratch) as folder:
        scratch = Path(folder)
        for count in map(int, flags.images.split(",")):
            file = scratch / f"{count}.npy"
            write_images(file, count)
            peak(file, scratch, "on")  # fills the data cache and the compilation cache
            measured = [round(peak(file, scratch, streaming)) for streaming in ("on", "off")]
            rows.append([f"{count:,}", round(file.stat().st_size / 2**20), *measured])
    columns = ["images", "size of the set, MiB", "peak, streaming=on, MiB", "peak, streaming=off, MiB"]
    record.save("memory", record.command("memory", argv), "Memory against the size of the set", columns, rows)


if __name__ == "__main__":
    sys.exit(entry.exit_code(lambda: main(sys.argv[1:])))
