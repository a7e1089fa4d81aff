"""Kill a run at random moments, continue it each time, and compare what comes out with a run that nobody touched."""

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
"""A run of seconds with noise of every kind, several dispatches an epoch, and epochs that are logged but not saved."""
SECONDS_OF_A_SAVE = 0.15


class Drill(NamedTuple):
    """What was done, and what came of it."""

    kills: int = 0
    in_saves: int = 0
    """Of these, while a checkpoint was being written."""
    runs: int = 0
    survived: int = 0
    """Kills whose run ended as the untouched one."""
    lost: int = 0
    """Epochs that were logged, not yet saved, and trained again: the most after one kill."""
    problems: tuple[str, ...] = ()


class Setting(NamedTuple):
    """What stays the same in a drill."""

    kills: int
    flags: Sequence[str]
    program: Sequence[str]
    expected: Outcome
    seconds: float
    """How long a run takes."""
    one_in_save: int
    chance: random.Random
    stop: StopRequest


def drill(
    root: Path,
    kills: int,
    tell: Callable[[str], object] = print,
    stop: StopRequest | None = None,
    flags: Sequence[str] = FLAGS,
    untouched: int = 2,
    one_in_save: int = 4,
    program: Sequence[str] = PROGRAM,
) -> Drill:
    """Kill and continue runs until `kills` are done and the last run has ended; each run that ends is compared.

    Args:
        root: an empty folder, for the runs.
        kills: how many.
        tell: gets a line for each run.
        stop: ends the drill.
        flags: of vae_jax.main.
        untouched: so many runs are left alone, and the last tells how long one takes: the first also compiles.
        one_in_save: one in so many kills waits for a save to begin.
        program: what comes after Python's name.

    Raises:
        signals.Stopped: by `stop`; no process is left.
    """
    stop, done, seconds = stop or StopRequest(), Drill(), 0.0
    for i in range(untouched):
        before = time.monotonic()
        started = start_run(root / f"untouched{i}", flags, root / "cache", program)
        kill(started, lambda: False, stop)
        seconds = time.monotonic() - before
        code, _, complained = started.finish()
        if code != 0:
            return done._replace(problems=(f"untouched: exit code {code}: {complained}",))
    expected, chance = outcome(root / "untouched0"), random.Random(0)
    setting = Setting(kills, flags, program, expected, seconds, one_in_save, chance, stop)
    if found := differences(outcome(root / f"untouched{untouched - 1}"), setting.expected):
        return done._replace(problems=("untouched runs differ", *found))
    tell(f"untouched: {seconds:.1f} s, state sha256 {setting.expected.state[:16]}")
    while done.kills < kills:
        last, done = done, _one_run(root / f"run{done.runs}", setting, done)
        told = "; ".join(done.problems[len(last.problems) :]) or "the same"
        tell(f"run {done.runs}: {done.kills - last.kills} kills, {done.in_saves - last.in_saves} in saves: {told}")
    return done


def _one_run(workdir: Path, setting: Setting, done: Drill) -> Drill:
    """Kill a run and continue it until it ends by itself, and compare it."""
    first, saved, problems = done.kills, 0, []
    while True:
        stale = _half_saves(workdir)
        due = _moment(workdir, setting) if done.kills < setting.kills else lambda: False
        started = start_run(workdir, setting.flags, workdir.parent / "cache", setting.program)
        killed = kill(started, due, setting.stop)
        code, told, complained = started.finish()
        problems += _complaints(killed, code, told, complained, saved)
        if not killed:
            break
        before, saved = saved, last_saved(workdir)
        if saved < before:
            problems.append(f"step {before} was saved, and after a kill {saved} is the newest")
        again = sum(row["step"] > saved for row in read_metrics(workdir))
        in_saves = done.in_saves + bool(_half_saves(workdir) - stale)
        done = done._replace(kills=done.kills + 1, in_saves=in_saves, lost=max(done.lost, again))
    problems += differences(outcome(workdir), setting.expected) if code == 0 else []
    survived = done.survived + (0 if problems else done.kills - first)
    return done._replace(runs=done.runs + 1, survived=survived, problems=(*done.problems, *problems))


def _half_saves(workdir: Path) -> set[Path]:
    return set((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))


def _moment(workdir: Path, setting: Setting) -> Callable[[], bool]:
    """When to kill: at a random moment of a run's whole time, or soon after a save has begun."""
    limit = time.monotonic() + setting.chance.uniform(0, setting.seconds)
    if setting.chance.randrange(setting.one_in_save):
        return lambda: time.monotonic() > limit
    stale, delay, begun = _half_saves(workdir), setting.chance.uniform(0, SECONDS_OF_A_SAVE), []

    def due() -> bool:
        if not begun and _half_saves(workdir) - stale:
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() > begun[0] + delay

    return due


def _complaints(killed: bool, code: int, told: str, complained: str, saved: int) -> list[str]:
    """What is wrong with how a process went on, after step `saved`, and ended."""
    went_on = re.search(r"^goes on after step (\d+)", told, re.MULTILINE)
    at = int(went_on[1]) if went_on else saved
    wrong = {
        f"step {saved} was saved, and the run went on after {at}": at != saved,
        f"it complained: {complained.strip()[-500:]}": bool(complained.strip()),
        f"exit code {code}": not killed and code != 0,
    }
    return [text for text, is_wrong in wrong.items() if is_wrong]
