"""The code that all peers share: the task, the clock, the bound, the answer. It needs only NumPy."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray


class Task(NamedTuple):
    """The training task of a peer, from the JSON text of its command line."""

    images: str
    """An .npz file with `train` and `test`, u8[N, pixels]."""
    answer: str
    """The JSON file that the peer writes."""
    scratch: str
    """A folder for the files of the trainer."""
    packages: Sequence[str]
    """The packages whose versions are in the answer."""
    hidden_dims: Sequence[int]
    latent_dim: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


class Clock:
    """A clock of epochs, called by the hooks of a trainer."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def begin(self) -> None:
        """Start an epoch."""
        self._started = time.perf_counter()

    def end(self) -> None:
        """End the epoch and append its seconds."""
        self.seconds.append(time.perf_counter() - self._started)


def read_task() -> tuple[Task, Array, Array]:
    """Return the task and its training and test images, f32[N, pixels] in [0, 1]."""
    task = Task(**json.loads(sys.argv[1]))
    with np.load(task.images, allow_pickle=False) as images:
        train, test = (np.divide(images[name], 255, dtype=np.float32) for name in ("train", "test"))
    return task, train, test


def answer(
    task: Task, seconds: list[float], test: Array, encode: Callable[[Array], Any], decode: Callable[[Array], Any]
) -> None:
    """Write the seconds of the epochs, the test elbo and the versions.

    Args:
        task: the task, which names the file.
        seconds: the seconds of each epoch.
        test: the test images f32[N, pixels].
        encode: images -> mean and log variance of the posterior, f32[N, Z] each.
        decode: z f32[N, Z] -> logits f32[N, pixels].
    """
    mean, logvar = (np.asarray(part) for part in encode(test))
    eps = np.random.default_rng(task.seed).standard_normal(mean.shape, np.float32)
    logits = np.asarray(decode(mean + np.exp(0.5 * logvar) * eps))
    results = {"seconds": seconds, "elbo": float(elbo(test, mean, logvar, logits).mean(dtype=np.float64))}
    versions = {name: version(name) for name in task.packages}
    Path(task.answer).write_text(json.dumps(results | {"versions": versions}), encoding="utf-8")


def elbo(x: Array, mean: Array, logvar: Array, logits: Array) -> Array:
    """Return -(reconstruction + kl) [N], nats per image: the kl in closed form, Bernoulli pixels x in [0, 1]."""
    reconstruction = (np.logaddexp(0, logits) - x * logits).sum(axis=-1)
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum(axis=-1)
    return -(reconstruction + kl)
