"""The type checker of the tests: beartype, an int passing for a float as PEP 484 has it."""

from collections.abc import Callable

from beartype import BeartypeConf, beartype

_apply = beartype(conf=BeartypeConf(is_pep484_tower=True))
_checkers: dict[tuple, Callable] = {}


def checked(fn: Callable) -> Callable:
    """Return `fn` with its arguments checked; beartype writes the check at the first call.

    jaxtyping hands over an empty function with the signature of the real one. Those of an inner function are alike each time
    that its outer function is called, so they share one check: writing it took a tenth of the time of the fast tests.
    """
    checker: Callable | None = None

    def check(*args, **kwargs):
        nonlocal checker
        if checker is None:
            checker = _shared(fn)
        return checker(*args, **kwargs)

    return check


def _shared(fn: Callable) -> Callable:
    key = (fn.__module__, fn.__qualname__, fn.__code__, fn.__defaults__, *fn.__annotations__.items())
    try:
        known = _checkers.get(key)
    except TypeError:  # a default or an annotation that has no hash
        return _apply(fn)
    if known is None:
        known = _checkers[key] = _apply(fn)
    return known
