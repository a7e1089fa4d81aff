"""Tasks on other machines, followed from here: a line when one starts, ends, or is lost and trained again."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from vae_jax.errors import TrainingError
from vae_jax.sweeps.curve import Pruned
from vae_jax.sweeps.launchers.launcher import Sweep
from vae_jax.sweeps.launchers.task import Task, make_tasks, started_on, to_send
from vae_jax.sweeps.population import Outcome
from vae_jax.system import signals
from vae_jax.system.formatting import format_seconds


class Machines(NamedTuple):
    """The functions by which tasks are sent to machines; a job is what `submit` returns for a task."""

    submit: Callable[[Sequence[Task]], Sequence[Any]]
    """(tasks) -> a job for each."""
    ended: Callable[[Sequence[Any]], Sequence[Any]]
    """(jobs) -> those that have ended, at once or after a second at most."""
    result: Callable[[Any], list[Outcome] | str]
    """(job that has ended) -> what `task.work` returned, or, as text, how its machine was lost; raises its error."""
    leave: Callable[[Sequence[Any]], str]
    """(jobs) -> what becomes of them after Ctrl-C, in words."""
    at_once: int
    """The largest number of jobs at a time."""


class _Sent(NamedTuple):
    task: Task
    job: Any
    seconds: float
    """The time when it was sent or, once known, when it started."""
    started: bool = False


def follow(
    sweep: Sweep, groups: Sequence[Sequence[int]], machines: Machines, retries: int
) -> Iterator[tuple[int, Outcome]]:
    """Yield (position, outcome) of each run once it is known. A task that is lost is sent again, `retries` times at most.

    A run that fails by itself is not trained again.

    Raises:
        signals.Stopped: SIGINT or SIGTERM; `leave` was called.
    """
    waiting = deque(make_tasks(sweep.runs, groups, sweep.output))
    sent: list[_Sent] = []
    with signals.deferred() as stop:
        while (waiting or sent) and stop.signum is None:
            batch = [to_send(waiting.popleft()) for _ in range(min(len(waiting), machines.at_once - len(sent)))]
            if batch:
                sent += [
                    _Sent(task, job, time.monotonic()) for task, job in zip(batch, machines.submit(batch), strict=True)
                ]
            ended = machines.ended([each.job for each in sent])
            sent = [_noted(each, sweep) for each in sent]
            for each in [each for each in sent if each.job in ended]:
                sent.remove(each)
                outcomes = _outcomes(each, machines, sweep, retries)
                if outcomes is None:
                    waiting.appendleft(each.task._replace(attempt=each.task.attempt + 1))
                else:
                    yield from zip(each.task.places, outcomes, strict=True)
        if stop.signum is not None:
            words = machines.leave([each.job for each in sent])
            raise signals.Stopped(stop.signum, "\n".join(filter(None, (words, sweep.stop_message))))


def _noted(each: _Sent, sweep: Sweep) -> _Sent:
    """Print a line once a task has started."""
    host = "" if each.started else started_on(each.task)
    if not host:
        return each
    sweep.console.line(f"{each.task.name}: started on {host}")
    return each._replace(started=True, seconds=time.monotonic())


def _outcomes(each: _Sent, machines: Machines, sweep: Sweep, retries: int) -> list[Outcome] | None:
    """Return the outcomes of a task that has ended, with a line; None if it was lost and is sent again."""
    task, say = each.task, sweep.console.line
    try:
        found = machines.result(each.job)
    except Exception as error:
        found = _all(task, error.with_traceback(None))
    if isinstance(found, str):
        if task.attempt < retries:
            say(
                f"{task.name}: lost ({found}); trained again from its last checkpoint, retry {task.attempt + 1} of {retries}"
            )
            return None
        found = _all(task, TrainingError(f"lost {task.attempt + 1} times, the last time: {found}"))
    failed = sum(not isinstance(outcome, dict | Pruned) for outcome in found)
    done = "pruned" if isinstance(found[0], Pruned) else "done"
    how = "failed" if failed == len(found) else f"{failed} of them failed" if failed else done
    say(
        f"{task.name}: {how} after {format_seconds(time.monotonic() - each.seconds)}"
        + f"; log: {task.log}" * bool(failed)
    )
    return found


def _all(task: Task, error: Exception) -> list[Outcome]:
    """Return the error as the outcome of every run of a task."""
    return [error for _ in task.runs]
