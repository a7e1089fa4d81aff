"""Declarations of configuration keys."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

LARGEST_COUNT = 2**31 - 1
"""Programs count in 32 bits."""

LARGEST_REAL = 1e30
"""Programs compute in float32, which ends at 3e38."""


class Key(NamedTuple):
    """A configuration key."""

    name: str
    kind: type
    default: Any
    meaning: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    """True if `low` itself is excluded."""
    choices: tuple[str, ...] = ()
    """The allowed values; empty for a number, for free text, or if a registry gives them."""
    element: type | None = None
    """The type of a tuple's elements."""
    length: tuple[int, ...] = ()
    """The allowed lengths of a tuple; empty: any."""
    identity: bool = True
    """True if two runs that differ in this key are different runs."""
    hparam: bool = False
    """True if the number is an argument of the compiled program: runs that differ only in such keys can be trained as one."""
    unless: str = ""
    """The key in whose place nobody reads this one while it is not 0; empty: there is none."""
    only: tuple[str, ...] = ()
    """A key and the values of it with which this one is read, as in ("dataset", "folder"); empty: with all."""


class Entry(NamedTuple):
    """A line of a registry."""

    make: Callable[..., Any]
    """The factory; its arguments are those of the registry."""
    keys: tuple[Key, ...] = ()
    """The keys that it reads and that not every run has. A key that one entry reads is named by it, as in `vamp.components`;
    a key that several read is the same Key in each."""
    problems: Callable[[Mapping[str, Any]], list[str]] = lambda flat: []
    """(flat config) -> a line for each problem of values that are valid by themselves."""
    title: str = ""
    """The name in the title of a run's page; `{}` stands for the title so far, as in "Denoising {}"."""
    own: Mapping[str, str] = {}
    """The names that empty choices stand for, if those entries have keys or titles: {"quantizer": "vq"}."""
    ignores: tuple[str, ...] = ()
    """The keys of every run that a run with it does not read."""


def count(
    name: str, default: int, meaning: str, unit: str = "", low: int = 0, high: int = LARGEST_COUNT, **kw: Any
) -> Key:
    """Declare a key whose value is a whole number from `low` to `high`."""
    return Key(name, int, default, meaning, unit, low, high, **kw)


def real(
    name: str, default: float, meaning: str, unit: str = "", low: float = 0.0, high: float = LARGEST_REAL, **kw: Any
) -> Key:
    """Declare a key whose value is a finite number from `low` to `high`."""
    return Key(name, float, default, meaning, unit, low, high, **kw)


def text(name: str, default: str, meaning: str, *choices: str, **kw: Any) -> Key:
    """Declare a key whose value is a text, one of `choices` if there are any."""
    return Key(name, str, default, meaning, choices=choices, **kw)


def numbers(name: str, default: tuple, meaning: str, element: type, low: float, **kw: Any) -> Key:
    """Declare a key whose value is a tuple of numbers of one type, each at least `low`."""
    return Key(name, tuple, default, meaning, low=low, high=LARGEST_COUNT, element=element, **kw)
