"""Kills a run at random moments, resumes it each time, and compares the result with an untouched run."""

import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.faults.compare import Outcome, differences, last_saved, outcome
from experiments.faults.started import PROGRAM, kill, start_run
from vae_jax.runs.writer import read_metrics
from vae_jax.system.signals import StopRequest

FLAGS = (
    "--config=configs/vae.py",
    "--config.num_epochs=30",
    "--config.hidden_dims=32",
    "--config.latent_dim=4",
    "--config.batch_size=32",
    "--config.dropout=0.2",
    "--config.binarize=dynamic",
    "--config.steps_per_dispatch=15",
    "--config.checkpoint.every_epochs=2",
)
"""A run of seconds with every kind of noise, several dispatches per epoch, and epochs that are logged but not saved."""
SECONDS_OF_A_SAVE = 0.15


class Drill(NamedTuple):
    """The kills so far and their results."""

    kills: int = 0
    in_saves: int = 0
    """The number of kills while a checkpoint was written."""
    runs: int = 0
    survived: int = 0
    """The number of kills whose run ended like the untouched one."""
    lost: int = 0
    """The most epochs after one kill that were logged, not yet saved, and trained again."""
    problems: tuple[str, ...] = ()


class Setting(NamedTuple):
    """The settings of a drill."""

    kills: int
    flags: Sequence[str]
    program: Sequence[str]
    expected: Outcome
    seconds: float
    """The duration of a run."""
    one_in_save: int
    chance: random.Random
    stop: StopRequest


def drill(
    root: Path,
    kills: int,
    print_line: Callable[[str], object] = print,
    stop: StopRequest | None = None,
    flags: Sequence[str] = FLAGS,
    untouched: int = 2,
    one_in_save: int = 4,
    program: Sequence[str] = PROGRAM,
) -> Drill:
    """Kill and resume runs until `kills` are done and the last run has finished; compare each finished run.

    Args:
        root: an empty folder for the runs.
        kills: the number of kills.
        print_line: gets a line for each run.
        stop: ends the drill.
        flags: the flags of vae_jax.main.
        untouched: the number of untouched runs; the last is timed, because the first also compiles.
        one_in_save: one in this many kills waits for a save to begin.
        program: the words after Python's name.

    Raises:
        signals.Stopped: `stop` was requested; no process is left.
    """
    stop, done, seconds = stop or StopRequest(), Drill(), 0.0
    for i in range(untouched):
        before = time.monotonic()
        started = start_run(root / f"untouched{i}", flags, root / "cache", program)
        kill(started, lambda: False, stop)
        seconds = time.monotonic() - before
        code, _, errors = started.finish()
        if code != 0:
            return done._replace(problems=(f"untouched: exit code {code}: {errors}",))
    expected, chance = outcome(root / "untouched0"), random.Random(0)
    setting = Setting(kills, flags, program, expected, seconds, one_in_save, chance, stop)
    if found := differences(outcome(root / f"untouched{untouched - 1}"), setting.expected):
        return done._replace(problems=("untouched runs differ", *found))
    print_line(f"untouched: {seconds:.1f} s, state sha256 {setting.expected.state[:16]}")
    while done.kills < kills:
        last, done = done, _one_run(root / f"run{done.runs}", setting, done)
        result = "; ".join(done.problems[len(last.problems) :]) or "the same"
        print_line(
            f"run {done.runs}: {done.kills - last.kills} kills, {done.in_saves - last.in_saves} in saves: {result}"
        )
    return done


def _one_run(workdir: Path, setting: Setting, done: Drill) -> Drill:
    """Kill and resume a run until it finishes, and compare it."""
    first, saved, problems = done.kills, 0, []
    while True:
        stale = _half_saves(workdir)
        is_time = _moment(workdir, setting) if done.kills < setting.kills else lambda: False
        started = start_run(workdir, setting.flags, workdir.parent / "cache", setting.program)
        killed = kill(started, is_time, setting.stop)
        code, out, err = started.finish()
        problems += _complaints(killed, code, out, err, saved)
        if not killed:
            break
        before, saved = saved, last_saved(workdir)
        if saved < before:
            problems.append(f"step {before} was saved, but after a kill the newest is {saved}")
        again = sum(row["step"] > saved for row in read_metrics(workdir))
        in_saves = done.in_saves + bool(_half_saves(workdir) - stale)
        done = done._replace(kills=done.kills + 1, in_saves=in_saves, lost=max(done.lost, again))
    problems += differences(outcome(workdir), setting.expected) if code == 0 else []
    survived = done.survived + (0 if problems else done.kills - first)
    return done._replace(runs=done.runs + 1, survived=survived, problems=(*done.problems, *problems))


def _half_saves(workdir: Path) -> set[Path]:
    return set((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))


def _moment(workdir: Path, setting: Setting) -> Callable[[], bool]:
    """Return a function that is True once it is time to kill: at a random moment, or soon after a save has begun."""
    limit = time.monotonic() + setting.chance.uniform(0, setting.seconds)
    if setting.chance.randrange(setting.one_in_save):
        return lambda: time.monotonic() > limit
    stale, delay, started = _half_saves(workdir), setting.chance.uniform(0, SECONDS_OF_A_SAVE), []

    def is_time() -> bool:
        if not started and _half_saves(workdir) - stale:
            started.append(time.monotonic())
        return bool(started) and time.monotonic() > started[0] + delay

    return is_time


def _complaints(killed: bool, code: int, out: str, err: str, saved: int) -> list[str]:
    """Return what is wrong with a process that should have resumed after step `saved`."""
    resumed = re.search(r"^resumed after step (\d+)", out, re.MULTILINE)
    at = int(resumed[1]) if resumed else saved
    wrong = {
        f"step {saved} was saved, but the run resumed after {at}": at != saved,
        f"it printed errors: {err.strip()[-500:]}": bool(err.strip()),
        f"exit code {code}": not killed and code != 0,
    }
    return [text for text, is_wrong in wrong.items() if is_wrong]
