"""Cases of which a few are fast tests and the others slow ones."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def fast_if(cases: Iterable[Any], fast: Callable[[Any], bool]) -> list[Any]:
    """Return parameters of a test, those that are not `fast` marked slow; a tuple holds several parameters."""
    return [case if fast(case) else _slow(case) for case in cases]


def first_fast(cases: Iterable[Any], every: int = 0) -> list[Any]:
    """Return parameters of a test, marked slow but for the first, and each `every`th after it."""
    return [case if i == 0 or (every and i % every == 0) else _slow(case) for i, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
