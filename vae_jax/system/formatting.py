"""Numbers as text: metrics, tables and sizes in bytes."""

import textwrap
from collections.abc import Mapping, Sequence

DIGITS = {"mse": 5, "mse_mean": 5, "bits_per_dim": 4}
"""The digits after the point; quantities in nats have 2."""
COUNTS = ("active_units", "count")

Value = float | int | str | None


def format_value(name: str, value: Value) -> str:
    """Return a metric's value as text: nats with 2 digits after the point, mse with 5, counts with none."""
    if value is None or isinstance(value, str):
        return "-" if value is None else value
    name = name.rsplit("/", 1)[-1]
    if isinstance(value, int) or (name in COUNTS and float(value).is_integer()):
        return f"{int(value):,}"
    return f"{value:.{DIGITS.get(name, 2)}f}" if abs(value) < 1e7 else f"{value:.4g}"


def headline(terms: Mapping[str, float], split: str = "") -> tuple[str, float]:
    """Return the name and value that sum up the terms of a training: with a prior the elbo, like in validation, or the loss."""
    if f"{split}kl" in terms:
        return "elbo", -(terms[f"{split}reconstruction"] + terms[f"{split}kl"])
    return "loss", terms[f"{split}loss"]


def wrapped(text: str, columns: int) -> str:
    """Break lines that are wider than `columns` between words, and before the flags of a command with a backslash."""
    return "\n".join(_wrapped(line, columns) for line in text.split("\n"))


def _wrapped(line: str, columns: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    style = textwrap.TextWrapper(max(columns - 2, 1), initial_indent=indent, subsequent_indent=indent + "  ")
    style.break_long_words = style.break_on_hyphens = False
    lines = [line] if len(line) <= columns else style.wrap(line.strip())
    continued = [" \\" if "python" in line and after.lstrip().startswith("--") else "" for after in lines[1:]]
    return "\n".join(text + end for text, end in zip(lines, [*continued, ""], strict=True))


def format_seconds(seconds: float) -> str:
    """Return a time as `13 s`, `2 min 5 s` or `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Value]]]) -> str:
    """Return a text table: names of the columns, one line per row; no newline at the end."""
    cells = [["", *columns], *([name, *(format_value(name, value) for value in values)] for name, values in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def format_bytes(count: int) -> str:
    """Return a size as `12.3 MB`."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1000:,.1f} kB"
