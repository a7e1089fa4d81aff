"""Errors that a command prints as a line each, and how a bad value is shown in one."""

MOST_SHOWN = 100
"""Characters of a bad value that a message repeats."""


class InputError(Exception):
    """Bad input from the person at the keyboard: each line names the key, the value and the choices. Exit code 2."""


class TrainingError(Exception):
    """Training cannot go on, and why; what was saved before stays. Exit code 1."""


def shown(value: object) -> str:
    """A value as a line of an InputError shows it: short, and printable, whatever a person or a damaged file gave."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an int of more digits than Python prints, a tuple nested too deeply
        text = hex(value) if isinstance(value, int) else f"a {type(value).__name__} that is nested too deeply"
    if len(text) > MOST_SHOWN:
        text = f"{text[: MOST_SHOWN - 20]}... ({len(text)} characters)"
    return printable(text)


def printable(text: str) -> str:
    """The text with what is no character for people, such as a line break, as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
