"""Errors that a command prints as one line each, and the form in which they show a bad value."""

import difflib
from collections.abc import Collection

MOST_SHOWN = 100
"""The largest number of characters of a bad value in a message."""


class InputError(Exception):
    """Bad input from the user: each line names the key, the value, what is wrong and the choices. Exit code 2."""


class TrainingError(Exception):
    """The reason why training cannot continue; what was saved before stays. Exit code 1."""


def shown(value: object) -> str:
    """Return a value as text for an InputError: short and printable, whatever the user or a damaged file gave."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an int of more digits than Python prints, a tuple nested too deeply
        text = hex(value) if isinstance(value, int) else f"a {type(value).__name__} that is nested too deeply"
    if len(text) > MOST_SHOWN:
        text = f"{text[: MOST_SHOWN - 20]}... ({len(text)} characters)"
    return printable(text)


def printable(text: str) -> str:
    """Return the text with unprintable characters, such as line breaks, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_of(flag: str, name: str, names: Collection[str]) -> str:
    """Return the name if it is one of `names`.

    Raises:
        InputError: it is not; the message gives the nearest name and all of them.
    """
    if name not in names:
        near = difflib.get_close_matches(name, list(names), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{flag}={name}: unknown{hint}; choices: {', '.join(names)}")
    return name
