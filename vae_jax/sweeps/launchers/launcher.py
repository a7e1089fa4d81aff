"""The form of a launcher, and what a sweep gives to it."""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax.sweeps.plan import Planned
from vae_jax.sweeps.population import Outcome
from vae_jax.system.console import Console


class Sweep(NamedTuple):
    """The runs of a sweep, and how they are trained."""

    runs: Sequence[Planned]
    population: str
    """--population: on, off or auto."""
    output: Path
    """The folder of the runs' directories; it exists."""
    console: Console
    stop_message: str
    """The line that says how to resume."""
    flags: Mapping[str, Any]
    """The launcher's flags, by name."""


class Flag(NamedTuple):
    """A flag of the command line that one launcher reads; its name begins with the launcher's."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    metavar: str
    help: str


def least(low: int | float) -> Callable[[str], int | float]:
    """Return the parser of a number that is `low` or more; whole if `low` is."""
    kind = "whole number" if isinstance(low, int) else "number"

    def parse(text: str) -> int | float:
        try:
            value = type(low)(text)
        except ValueError:
            value = math.nan
        if not low <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not a {kind}, at least {low:g}")
        return value

    return parse


class Launcher(NamedTuple):
    """A way to train the runs of a sweep."""

    launch: Callable[[Sweep], Iterator[tuple[int, Outcome]]]
    """(sweep) -> (position of a run, its results or error), each once it is known.

    InputError, before any run starts: the machines cannot be used. `signals.Stopped`: SIGINT or SIGTERM.
    """
    package: str = ""
    """The package that it imports; empty: none."""
    flags: tuple[Flag, ...] = ()
