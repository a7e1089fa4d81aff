"""One point of scaling.py, a process of its own: steps of training in the warm state, and the process's peak memory."""

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
"""The median of so many blocks of so many steps is told."""


def peak_memory() -> float:
    """MiB of this process's largest resident memory so far, shared pages of files included; 0 where it is not told.

    Not `ru_maxrss`: a child starts with the peak of the process that made it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def calls(run: Training, steps: int) -> Iterator[np.ndarray]:
    """The rows of one call of the device after another, through epoch after epoch; none of more than `steps`."""
    size, epoch = min(run.steps_per_dispatch, steps), 0
    while True:
        order = epoch_order(run.config.seed, epoch, len(run.dataset.train.images), run.config.batch_size)
        for start in range(0, len(order) // size * size, size):  # all calls alike, so that nothing is compiled again
            yield order[start : start + size]
        epoch += 1


def milliseconds(run: Training, blocks: int = BLOCKS, steps: int = STEPS) -> list[float]:
    """Of a step, in each block; the images' way to the device is in it, compilation is not."""
    state, source, found = run.state, calls(run, steps), []
    state, _ = run.chunk(state, *run.feed.images(next(source)), run.key_train)
    for _ in range(blocks):
        jax.block_until_ready(state)
        started, done = time.perf_counter(), 0
        while done < steps:
            rows = next(source)
            state, _ = run.chunk(state, *run.feed.images(rows), run.key_train)
            done += len(rows)
        jax.block_until_ready(state)
        found.append(1000 * (time.perf_counter() - started) / done)
    return found


def main() -> None:
    """Measure the run whose keys the command line gives as JSON, and write the answer where it says."""
    task = json.loads(sys.argv[1])
    run = prepare(command_line.read_file("configs/vae.py", tuple(task["keys"].items())))
    found = {"ms": statistics.median(milliseconds(run)), "steps": run.steps_per_epoch, "peak": peak_memory()}
    Path(task["answer"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
