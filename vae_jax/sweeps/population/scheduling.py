"""The training of a sweep's runs, in groups that are one program each."""

from collections import deque
from collections.abc import Iterator, Sequence

import jax

from vae_jax.errors import InputError
from vae_jax.sweeps import Planned, groups, keys_apart, point_text, refuse_lone
from vae_jax.sweeps.curve import judge
from vae_jax.sweeps.population.loop import train_population
from vae_jax.sweeps.population.members import Outcome
from vae_jax.system import signals
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate


def plan_groups(
    runs: Sequence[Planned], population: str, console: Console, accelerator: bool | None = None
) -> list[list[int]]:
    """Return the positions of the runs of each group that is trained together.

    Args:
        runs: the runs of `sweeps.plan`.
        population: "on", "off", or "auto": on with an accelerator, because a population is slower on a CPU.
        console: gets the keys that separate the runs.
        accelerator: whether the machines that train have one; None: ask the devices of this process, which trains.

    Raises:
        InputError: population is "on", but no two runs can be one program, or there are several processes.
    """
    configs, processes = [run.config for run in runs], jax.process_count() if accelerator is None else 1
    if population == "on":
        refuse_lone(configs)
        if processes > 1:
            raise InputError(f"--population=on: needs one process, not {processes}; choices: --population=off, auto")
    joined = groups(configs)
    if accelerator is None:
        accelerator = jax.default_backend() != "cpu"
    unable = not accelerator or processes > 1
    if population == "off" or (population == "auto" and unable) or len(joined) == len(runs):
        return [[i] for i in range(len(runs))]
    if len(joined) > 1:
        console.line(f"{len(runs)} runs, {len(joined)} programs: separated by {' '.join(keys_apart(configs))}")
    return joined


def train_runs(
    runs: Sequence[Planned], groups: Sequence[Sequence[int]], console: Console, stop_message: str
) -> Iterator[tuple[int, Outcome]]:
    """Yield (position, outcome) of each run once it is known. A group that does not fit in memory is halved.

    Args:
        runs: the runs of `sweeps.plan`.
        groups: the groups of `plan_groups`.
        console: gets the names of the runs that are trained.
        stop_message: the message of `Stopped`.

    Raises:
        signals.Stopped: SIGINT or SIGTERM; the states are saved.
    """
    left = deque(groups)
    while left:
        places = left.popleft()
        console.line()
        for i in places:
            console.line(f"run {i + 1} of {len(runs)}: {point_text(runs[i].point)} seed={runs[i].seed}")
        console.restart_clock()
        outcomes = _attempt([runs[i] for i in places], console, stop_message)
        if len(places) > 1 and any("RESOURCE_EXHAUSTED" in str(outcome) for outcome in outcomes):
            console.line(f"{len(places)} runs at once need more memory than the device has: retrying with half of them")
            half = len(places) // 2
            left.extendleft([places[half:], places[:half]])
            continue
        yield from zip(places, outcomes, strict=True)


def _attempt(group: Sequence[Planned], console: Console, stop_message: str) -> list[Outcome]:
    """Train one group and return its outcomes. Errors are outcomes, so that the other groups are trained too."""
    try:
        if len(group) > 1:
            return train_population(
                [run.config for run in group], [run.workdir for run in group], console, stop_message
            )
        (run,) = group
        console.report = judge(run.bars, run.workdir) if run.bars else None
        return [train_and_evaluate(run.config, run.workdir, console)]
    except signals.Stopped as stopped:
        raise signals.Stopped(stopped.signum, stop_message) from None
    except Exception as error:
        return [error.with_traceback(None)] * len(group)  # a traceback would keep device memory alive
    finally:
        console.report = None
