"""The space of a search, from `latent_dim=2..64`, `learning_rate=1e-4..1e-2:log`, and the lists of a sweep."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vae_jax.errors import InputError
from vae_jax.sweeps.plan import Point, parse_over

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?P<key>[^=:]+)=(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?P<scale>:[^:,]*)?")
DIGITS = 4
"""The significant digits of a number that is drawn: names and tables stay short."""


class Range(NamedTuple):
    """The numbers from `low` to `high`, both included."""

    key: str
    low: float
    high: float
    log: bool
    """True if each power of ten is as likely as the next."""
    text: str
    """The flag, for messages."""


Dimension = Range | list[Point]
"""A range, or the points of a list."""


def is_range(text: str) -> bool:
    """Return True if the value of --over has the form of a range."""
    return _RANGE.fullmatch(text) is not None


def parse_space(overs: Sequence[str]) -> dict[str, Dimension]:
    """Parse the values of --over: name (its keys, joined by ":") -> range or points.

    Raises:
        InputError: one is malformed, or two have the same key.
    """
    space = {}
    for text in overs:
        found: Dimension = _range(text) if is_range(text) else parse_over(text)
        space[":".join(keys_of(found))] = found
    keys = [key for found in map(parse_key, overs) for key in found]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"--over: {key} is swept twice")
        if key == "seed":
            raise InputError("--over: seed cannot be searched, a trial is its mean over seeds; choices: --seeds=0,1,2")
    return space


def parse_key(text: str) -> list[str]:
    """Return the keys of a value of --over."""
    return text.partition("=")[0].split(":")


def keys_of(dimension: Dimension) -> list[str]:
    """Return the keys that a dimension sets."""
    return [dimension.key] if isinstance(dimension, Range) else [key for key, _ in dimension[0]]


def _range(text: str) -> Range:
    found = _RANGE.fullmatch(text)
    assert found is not None
    key, low, high, scale = found["key"], float(found["low"]), float(found["high"]), found["scale"] or ""
    if not (math.isfinite(low) and math.isfinite(high) and low < high and scale in ("", ":log")):
        raise InputError(f"--over={text}: expected KEY=LOW..HIGH or KEY=LOW..HIGH:log, with numbers LOW < HIGH")
    if scale and low <= 0:
        raise InputError(f"--over={text}: a log range begins above 0; choices: leave :log out, or a LOW above 0")
    return Range(key, low, high, bool(scale), text)


def corner(space: Mapping[str, Dimension], last: bool) -> Point:
    """Return the first or the last point of every dimension: both must be valid configs."""
    point: Point = ()
    for found in space.values():
        if isinstance(found, Range):
            point += ((found.key, number_text(found, found.high if last else found.low)),)
        else:
            point += found[-1 if last else 0]
    return point


def sides(space: Mapping[str, Dimension]) -> list[list[Point]]:
    """Return the points of each dimension, the ends of a range or all of a list, with the others at their first corner."""
    found = []
    for name, dimension in space.items():
        if isinstance(dimension, Range):
            own: list[Point] = [
                ((dimension.key, number_text(dimension, end)),) for end in (dimension.low, dimension.high)
            ]
        else:
            own = dimension
        rest = corner({other: each for other, each in space.items() if other != name}, last=False)
        found.append([(*point, *rest) for point in own])
    return found


def number_text(dimension: Range, value: float) -> str:
    """Return a number of the range as text, with DIGITS significant digits; whole numbers have all of theirs."""
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    short = min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high)
    return f"{short:.{2 * DIGITS}g}"


def suggest(trial: Any, space: Mapping[str, Dimension], whole: Mapping[str, bool]) -> Point:
    """Return the point that Optuna's trial suggests; `whole` are the keys of whole numbers."""
    point: Point = ()
    for name, found in space.items():
        if not isinstance(found, Range):
            texts = [":".join(text for _, text in each) for each in found]
            point += found[texts.index(trial.suggest_categorical(name, texts))]
        elif whole[name]:
            value = trial.suggest_int(name, math.ceil(found.low), math.floor(found.high), log=found.log)
            point += ((name, str(value)),)
        else:
            value = trial.suggest_float(name, found.low, found.high, log=found.log)
            point += ((name, number_text(found, value)),)
    return point
