"""Timing of functions that take turns; rounds in which other processes were busy are dropped."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmarks import record

BUSY = 0.1
"""The share of the machine from which other processes disturb a round."""
ENOUGH = 3
"""The smallest number of undisturbed rounds; with fewer, all rounds are used."""

Timed = Callable[[], Any]


def interleave(timed: dict[str, Timed], rounds: int) -> tuple[dict[str, np.ndarray], int]:
    """Return (name -> seconds of each round that is used, the number of disturbed rounds), after one call that is not timed."""
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


def describe_disturbed(name: str, disturbed: int, rounds: int) -> str:
    """Return a sentence about the rounds in which other processes were busy, or an empty text if there were none."""
    if not disturbed:
        return ""
    if rounds - disturbed >= ENOUGH:
        return f"{name}: {disturbed} of {rounds} rounds are left out, because other processes were busy."
    return (
        f"{name}: other processes were busy in {disturbed} of {rounds} rounds; all rounds are used, because fewer than "
        f"{ENOUGH} would be left."
    )
