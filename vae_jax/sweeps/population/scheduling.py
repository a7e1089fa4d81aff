"""The runs of a sweep, trained in the groups that can be one program."""

from collections import deque
from collections.abc import Iterator, Sequence

import jax

from vae_jax.errors import InputError
from vae_jax.sweeps import Planned, groups, keys_apart, point_text, refuse_lone
from vae_jax.sweeps.population.loop import train_population
from vae_jax.sweeps.population.members import Outcome
from vae_jax.system import signals
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate


def plan_groups(runs: Sequence[Planned], population: str, console: Console) -> list[list[int]]:
    """The places of the runs that are trained together.

    Args:
        runs: of `sweep.plan`.
        population: on; off; or auto, which is on where there is an accelerator: on a CPU a population takes longer.
        console: told which keys keep runs apart.

    Raises:
        InputError: on, and no two runs can join, or there are several processes.
    """
    configs, processes = [run.config for run in runs], jax.process_count()
    if population == "on":
        refuse_lone(configs)
        if processes > 1:
            raise InputError(
                f"--population=on: runs in one process, not in {processes}; choices: --population=off, auto"
            )
    joined = groups(configs)
    unable = jax.default_backend() == "cpu" or processes > 1
    if population == "off" or (population == "auto" and unable) or len(joined) == len(runs):
        return [[i] for i in range(len(runs))]
    if len(joined) > 1:
        console.line(f"{len(runs)} runs, {len(joined)} programs: kept apart by {' '.join(keys_apart(configs))}")
    return joined


def train_runs(
    runs: Sequence[Planned], groups: Sequence[Sequence[int]], console: Console, farewell: str
) -> Iterator[tuple[int, Outcome]]:
    """(place, what became of it) of each run, when it is known; a group that the device's memory does not hold is halved.

    Args:
        runs: of `sweep.plan`.
        groups: of `plan_groups`.
        console: told which runs are trained.
        farewell: what a stop says.

    Raises:
        signals.Stopped: SIGINT or SIGTERM; the states are saved.
    """
    left = deque(groups)
    while left:
        places = left.popleft()
        console.line()
        for i in places:
            console.line(f"run {i + 1} of {len(runs)}: {point_text(runs[i].point)} seed={runs[i].seed}")
        found = _attempt([runs[i] for i in places], console, farewell)
        if len(places) > 1 and any("RESOURCE_EXHAUSTED" in str(outcome) for outcome in found):
            console.line(f"{len(places)} runs at once need more memory than the device has: half of them at a time")
            half = len(places) // 2
            left.extendleft([places[half:], places[:half]])
            continue
        yield from zip(places, found, strict=True)


def _attempt(group: Sequence[Planned], console: Console, farewell: str) -> list[Outcome]:
    """What became of runs that are trained together; whatever it is, other runs are worth training."""
    try:
        if len(group) > 1:
            return train_population([run.config for run in group], [run.workdir for run in group], console, farewell)
        return [train_and_evaluate(group[0].config, group[0].workdir, console)]
    except signals.Stopped as stopped:
        raise signals.Stopped(stopped.signum, farewell) from None
    except Exception as error:
        return [error.with_traceback(None)] * len(group)  # a traceback would keep the device's memory
