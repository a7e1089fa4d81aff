"""From the start of a process to the end of its first training step: python -m experiments.benchmarks.startup [--rounds=5]

The run is `configs/vae.py` on the embedded digits. Each round measures it once with an empty and once with a filled compilation
cache. The process does what `vae_jax.main` does up to the first step. The row `imports` has only the imports of main.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.benchmarks import record
from vae_jax.commands import arguments
from vae_jax.system.command import run_command

FIRST_STEP = """
import jax
from vae_jax import config, train
from vae_jax.config import command_line
from vae_jax.randomness import epoch_order
from vae_jax.training.prepare import prepare
keys = {"latent_dim": "20", "batch_size": "128", "log.latent_every_steps": "0", "steps_per_dispatch": "1"}
run = prepare(command_line.read_file("configs/vae.py", tuple(keys.items())))
rows = epoch_order(0, 0, len(run.dataset.train.images), run.config.batch_size)[:1]
state, metrics = run.chunk(run.state, *run.feed.images(rows, 0), run.key_train, run.hparams)
jax.block_until_ready(metrics)
"""
IMPORTS = "from vae_jax import config, train; from vae_jax.config import command_line"


def seconds(code: str, cache: Path) -> float:
    """Return the wall-clock seconds of a Python process that runs this code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"XDG_CACHE_HOME": str(cache)})
    return time.perf_counter() - start


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--rounds", type=arguments.count, default=5, metavar="N", help="rounds (5)")
    flags = parser.parse_args(argv)
    taken: dict[str, list[float]] = {"imports": [], "first step, cold cache": [], "first step, warm cache": []}
    with tempfile.TemporaryDirectory() as folder:
        seconds(FIRST_STEP, Path(folder, "trial"))
        for i in range(flags.rounds):
            cache = Path(folder, str(i))
            cache.mkdir()
            for name, code in zip(taken, (IMPORTS, FIRST_STEP, FIRST_STEP), strict=True):
                taken[name].append(seconds(code, cache))
    rows = [[name, *(f"{value:.2f}" for value in np.quantile(values, [0.5, 0, 1]))] for name, values in taken.items()]
    record.save(
        "startup", record.command("startup", argv), "Start-up", ["until", "median, s", "minimum, s", "maximum, s"], rows
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
