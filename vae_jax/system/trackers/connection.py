"""The types between a run and a tracker."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = "vae_jax"
"""The project or experiment that runs belong to, unless a variable of the tracker's own names another."""
SECONDS = 30
"""The longest time that a run waits for its tracker, at the start and at the end."""


class Opening(NamedTuple):
    """The facts that a tracker gets when a run starts or is resumed."""

    name: str
    """The run's name, which is that of its directory."""
    workdir: Path
    config: Mapping[str, Any]
    """The flat config: numbers, texts, truth values and lists of them."""
    memo: Mapping[str, str]
    """The texts that an earlier connection of this run has returned; empty for a new one."""


class Connection(NamedTuple):
    """A run's record at a tracker. Every function may take long or raise: `Tracking` calls them in a thread and guards them."""

    memo: Mapping[str, str]
    """The texts by which a resumed run finds its record again, such as its id."""
    where: str
    """The place of the record, and how to look at it, for a line."""
    shown: Callable[[str, int], bool]
    """(name, step) -> True if the record had a value or a picture of this name at this step when it was opened."""
    log: Callable[[int, Mapping[str, float]], object]
    """(step, finite values by name) -> None."""
    figure: Callable[[int, Path], object]
    """(step, a PNG file, which is shown under its stem) -> None."""
    page: Callable[[int, Path], object]
    """(step, an HTML file, which is shown under its stem) -> None."""
    finish: Callable[[], object]
    """() -> waits until all is sent, and closes the record."""
