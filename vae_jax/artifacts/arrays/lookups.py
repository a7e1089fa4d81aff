"""Arrays that are made of other arrays."""

from collections.abc import Callable
from typing import Any

from vae_jax.artifacts.arrays.source import Source

Lookup = Callable[[str], Any]
"""(name) -> another array of the same run, or None."""
Compute = Callable[[Source, Lookup], Any]
"""(source, lookup of the other arrays) -> an array, or None if the run has no such array."""


def part(name: str, index: int) -> Compute:
    """Make a function that returns an element of another array, or None if that is None."""
    return lambda _, array: None if array(name) is None else array(name)[index]


def parts(name: str, *names: str) -> dict[str, Compute]:
    """Return the elements of another array by their own names."""
    return {own: part(name, i) for i, own in enumerate(names)}


def computed_from(name: str, compute: Callable[[Any], Any]) -> Compute:
    """Make a function that computes an array from another, or None if that is None."""
    return lambda _, array: None if array(name) is None else compute(array(name))
