"""One point of scaling.py, in its own process: the time of a training step after compilation, and the peak memory."""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from vae_jax.config import command_line
from vae_jax.randomness import epoch_order
from vae_jax.training.prepare import Training, prepare

BLOCKS, STEPS = 4, 50
"""The number of blocks whose median is reported, and the number of steps per block."""


def peak_memory() -> float:
    """Return the peak resident memory of this process, MiB, including shared pages of files; 0 if it is not available.

    It does not use `ru_maxrss`, because a child starts with the peak of its parent.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def calls(run: Training, steps: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the image rows and the first step of each call of the device, epoch after epoch, at most `steps` steps per call."""
    size, epoch = min(run.steps_per_dispatch, steps), 0
    while True:
        order = epoch_order(run.config.seed, epoch, len(run.dataset.train.images), run.config.batch_size)
        for start in range(0, len(order) // size * size, size):  # equal sizes, so that nothing is compiled again
            yield order[start : start + size], epoch * run.steps_per_epoch + start
        epoch += 1


def milliseconds(run: Training, blocks: int = BLOCKS, steps: int = STEPS) -> list[float]:
    """Return the milliseconds of a step in each block, including the transfer of images, without compilation."""
    state, source, results = run.state, calls(run, steps), []
    state, _ = run.chunk(state, *run.feed.images(*next(source)), run.key_train, run.hparams)
    for _ in range(blocks):
        jax.block_until_ready(state)
        started, done = time.perf_counter(), 0
        while done < steps:
            rows, step = next(source)
            state, _ = run.chunk(state, *run.feed.images(rows, step), run.key_train, run.hparams)
            done += len(rows)
        jax.block_until_ready(state)
        results.append(1000 * (time.perf_counter() - started) / done)
    return results


def main() -> None:
    """Measure the run that the JSON text of the command line describes, and write the answer to the file it names."""
    task = json.loads(sys.argv[1])
    keys = {"batch_size": "128", "log.latent_every_steps": "0"} | task["keys"]
    run = prepare(command_line.read_file("configs/vae.py", tuple(keys.items())))
    answer = {"ms": statistics.median(milliseconds(run)), "steps": run.steps_per_epoch, "peak": peak_memory()}
    Path(task["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
