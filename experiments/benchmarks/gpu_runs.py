"""The parts that gpu.py times: epochs of the real loop, an epoch in one call for one seed or many, the limit of a step."""

import inspect
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.rounds import Timed
from experiments.benchmarks.train_speed import Bench
from vae_jax.randomness import epoch_order
from vae_jax.training.prepare import Training, prepare
from vae_jax.types import Config, TrainState

ROUNDS = 3
MOST = 0.5
"""The share of a step's time from which a part is said to limit the step."""


def train(config: Config, epochs: int, rounds: int) -> tuple[float, int]:
    """Return (the median over rounds of the seconds of `epochs` epochs, steps per epoch), after one epoch that compiles."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as files:
        bench = Bench(config, Path(folder), files)

        def train_epochs() -> None:
            for _ in range(epochs):
                bench.epoch()
            jax.block_until_ready(bench.session.whole_state())

        bench.epoch()
        seconds = [timed(train_epochs) for _ in range(rounds)]
    return float(np.median(seconds)), len(bench.order())


def timed(function: Timed) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def make_population(run: Training, seeds: int) -> Timed:
    """Make a function that trains an epoch of many seeds at once, each with its own parameters, image order and noise."""
    config, images = run.config, jax.device_put(run.dataset.train.images)
    chunk = jax.jit(jax.vmap(inspect.unwrap(run.chunk), in_axes=(0, None, 0, 0, None)), donate_argnums=0)
    keys = jax.random.split(run.key_train, seeds)
    init = jax.jit(jax.vmap(run.init))
    orders = [epoch_order(seed, 0, len(images), config.batch_size) for seed in range(seeds)]
    return _stepping(chunk, init(keys), images, jax.device_put(np.stack(orders)), keys, run.hparams)


def make_single(run: Training) -> Timed:
    """Make a function that trains an epoch of one seed."""
    config, images = run.config, jax.device_put(run.dataset.train.images)
    order = jax.device_put(epoch_order(0, 0, len(images), config.batch_size))
    return _stepping(run.chunk, run.state, images, order, run.key_train, run.hparams)


def _stepping(chunk: Callable[..., Any], state: TrainState, *inputs: Any) -> Timed:
    def step() -> TrainState:
        nonlocal state
        state, _ = chunk(state, *inputs)  # reuses the memory of the old state
        return jax.block_until_ready(state)

    return step


def limit(ours: float, tiny: float, products: float | None) -> tuple[str, str]:
    """Return (the limit of a step, the reason), from the seconds of a step, of one on tiny arrays, and of its products."""
    shares = [f"on tiny arrays it takes {tiny / ours:.0%} of its time"]
    shares += [f"its matrix products alone {products / ours:.0%}"] if products is not None else []
    if tiny >= MOST * ours:
        name = "kernel launches"
    elif products is not None and products >= MOST * ours:
        name = "matrix products"
    else:
        name = "arithmetic" if products is None else "arithmetic other than matrix products"
    return name, ", ".join(shares)


def step_seconds(config: Config) -> float:
    """Return the seconds of one step, in an epoch that is one call of the device."""
    run = prepare(config)
    steps, single = run.steps_per_epoch, make_single(run)
    single()
    return float(np.median([timed(single) for _ in range(ROUNDS)])) / steps
