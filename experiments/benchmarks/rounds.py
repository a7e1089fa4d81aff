"""Timing things that take turns, and what became of the rounds in which the machine was not ours alone."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmarks import record

BUSY = 0.1
ENOUGH = 3
"""Fewer undisturbed rounds than this, and all are used."""

Timed = Callable[[], Any]


def interleave(timed: dict[str, Timed], rounds: int) -> tuple[dict[str, np.ndarray], int]:
    """(name -> seconds of each undisturbed round, or of all where too few are, how many were disturbed); once unmeasured."""
    for function in timed.values():
        function()
    taken: list[dict[str, float]] = []
    disturbed = []
    for _ in range(rounds):
        start, others = time.perf_counter(), record.others_seconds()
        seconds = {}
        for name, function in timed.items():
            begin = time.perf_counter()
            function()
            seconds[name] = time.perf_counter() - begin
        others = record.others_seconds() - others
        disturbed.append(others > BUSY * (time.perf_counter() - start) * (os.cpu_count() or 1))
        taken.append(seconds)
    kept = [seconds for seconds, bad in zip(taken, disturbed, strict=True) if not bad]
    used = kept if len(kept) >= ENOUGH else taken
    return {name: np.array([seconds[name] for seconds in used]) for name in timed}, sum(disturbed)


def told(name: str, disturbed: int, rounds: int) -> str:
    """What became of the rounds in which other processes were busy; empty if there were none."""
    if not disturbed:
        return ""
    if rounds - disturbed >= ENOUGH:
        return f"{name}: {disturbed} of {rounds} rounds, in which other processes were busy, are left out."
    return (
        f"{name}: other processes were busy in {disturbed} of {rounds} rounds; all are used all the same, since fewer "
        f"than {ENOUGH} would be left."
    )
