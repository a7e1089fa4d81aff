"""A group of runs as a task that another process, perhaps on another machine, trains in the sweep's folder."""

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vae_jax.errors import InputError, TrainingError
from vae_jax.sweeps.curve import Pruned
from vae_jax.sweeps.plan import Planned, point_text
from vae_jax.sweeps.population import Outcome, train_runs
from vae_jax.system import devices, locks, signals
from vae_jax.system.console import Console

PATIENCE = 60.0
"""The seconds that a task waits for the lock of a run whose machine was lost: its process may outlive it for a moment."""


class Task(NamedTuple):
    """Runs that are trained together, and where."""

    places: tuple[int, ...]
    """The positions of the runs in the sweep."""
    runs: tuple[Planned, ...]
    total: int
    """The number of runs of the sweep."""
    output: Path
    """The folder of the runs' directories, the same on every machine; absolute."""
    here: Path
    """The directory that the sweep was started in: folders of data may be relative to it."""
    attempt: int = 0
    """The number of times that the task was lost."""
    heard: int = 0
    """The bytes that its log had before it was sent, of earlier attempts and commands."""

    @property
    def name(self) -> str:
        """`run 3 of 6: latent_dim=2 seed=0`, or `runs 1, 2, 3 of 6`."""
        numbers, (first, *others) = ", ".join(str(place + 1) for place in self.places), self.runs
        if others:
            return f"runs {numbers} of {self.total}"
        return f"run {numbers} of {self.total}: {point_text(first.point)} seed={first.seed}"

    @property
    def log(self) -> Path:
        """The file that the task prints to, named by its first run."""
        return self.output / "logs" / f"{self.runs[0].workdir.name}.log"

    @property
    def start(self) -> str:
        """The words that the task prints first, before the name of its machine."""
        return f"attempt {self.attempt + 1} on "


def make_tasks(runs: Sequence[Planned], groups: Sequence[Sequence[int]], output: Path) -> list[Task]:
    """Return a task for each group of positions in `runs`."""
    output, here = output.absolute(), Path.cwd()
    absolute = [run._replace(workdir=run.workdir.absolute()) for run in runs]
    return [Task(tuple(places), tuple(absolute[i] for i in places), len(runs), output, here) for places in groups]


def work(task: Task) -> list[Outcome] | str:
    """Train the runs of a task, each from its last checkpoint, in this process; print to its log.

    Returns:
        The outcome of each run, or, as text, why this process was stopped before the end.

    Raises:
        InputError: the folder of the sweep does not exist on this machine.
    """
    host = socket.gethostname()
    if not task.output.is_dir():
        raise InputError(f"--output={task.output}: no such folder on {host}; name a folder that every machine has")
    with contextlib.suppress(OSError):
        os.chdir(task.here)
    task.log.parent.mkdir(exist_ok=True)
    with task.log.open("a", buffering=1, encoding="utf-8") as file:
        file.write(f"{task.start}{host}, process {os.getpid()}\n")
        if task.attempt:
            _wait_for_locks(task)
        for run in task.runs:
            devices.keep_memory(run.config)
        places = range(len(task.runs))
        try:
            outcomes = dict(train_runs(task.runs, [places], Console(file, interactive=False), ""))
        except signals.Stopped as stopped:
            return f"{host} stopped it with signal {stopped.signum}"
    return [_portable(outcomes[i]) for i in places]


def _wait_for_locks(task: Task) -> None:
    """Wait at most PATIENCE seconds until no process holds a run of the task."""
    until = time.monotonic() + PATIENCE
    while any(locks.holder(run.workdir) for run in task.runs) and time.monotonic() < until:
        time.sleep(0.5)


def _portable(outcome: Outcome) -> Outcome:
    """Return an outcome that another process can read: an error that is not ours becomes its text."""
    if isinstance(outcome, Exception) and not isinstance(outcome, InputError | TrainingError | Pruned):
        return TrainingError(f"{type(outcome).__name__}: {outcome}")
    return outcome


def started_on(task: Task) -> str:
    """Return the machine and process of this attempt at a task, from its log; empty: it has not started."""
    with contextlib.suppress(OSError):
        text = task.log.read_bytes()[task.heard :].decode(errors="replace")
        if text.startswith(task.start) and "\n" in text:
            return text.partition("\n")[0].removeprefix(task.start)
    return ""


def to_send(task: Task) -> Task:
    """Return the task as it is sent: what its log has now is of earlier attempts and commands."""
    return task._replace(heard=task.log.stat().st_size if task.log.is_file() else 0)
