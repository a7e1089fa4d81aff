"""Numbers as text: metrics, tables and sizes in bytes."""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence

DIGITS = {"mse": 5, "mse_mean": 5, "ssim": 4, "bits_per_dim": 4}
"""The digits after the point; quantities in nats have 2."""
_COMMAND = re.compile(r"python -m |vae-jax \w+ --")
COUNTS = ("active_units", "codes_used", "count")

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
    """Return the name and value that sum up the terms of a training: with a reconstruction and a kl the elbo, or the loss."""
    if {f"{split}reconstruction", f"{split}kl"} <= terms.keys():
        return "elbo", -(terms[f"{split}reconstruction"] + terms[f"{split}kl"])
    return "loss", terms[f"{split}loss"]


def shown_terms(metrics: Mapping[str, float], split: str) -> list[str]:
    """Return the names of a split's metrics for one line: with a prior elbo, reconstruction and kl; without one loss and mse.

    A loss that is not minus the elbo takes the place of the reconstruction, which follows from elbo and kl.
    """
    elbo, loss = metrics.get(f"{split}elbo"), metrics.get(f"{split}loss")
    if elbo is None:
        names = ["loss", "mse"]
    elif loss is None or math.isclose(loss, -elbo, rel_tol=1e-6):
        names = ["elbo", "reconstruction", "kl"]
    else:
        names = ["elbo", "kl", "loss"]
    return [name for name in names if f"{split}{name}" in metrics]


def wrapped(text: str, columns: int) -> str:
    """Break lines that are wider than `columns` between words.

    A command in a line begins a new one, which is broken before flags and with a backslash, so that it can be copied.
    """
    return "\n".join(_wrapped(line, columns) for line in text.split("\n"))


def _wrapped(line: str, columns: int) -> str:
    if len(line) <= columns or "load_run(" in line or "from_pretrained(" in line:  # lines of Python are left whole
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    line = line.strip()
    at = _COMMAND.search(line)
    words, command = (line[: at.start()], line[at.start() :]) if at else (line, "")
    style = textwrap.TextWrapper(columns, initial_indent=indent, subsequent_indent=indent + "  ")
    style.break_long_words = style.break_on_hyphens = False
    lines = style.wrap(words)
    if command:
        inner = indent + "  " * bool(lines)
        lines.append(_wrapped_command(inner + command, inner + "  ", columns))
    return "\n".join(lines)


def _wrapped_command(command: str, indent: str, columns: int) -> str:
    """Break a command before flags; a flag that is wider than the line stays whole."""
    lines, *flags = re.split(r" (?=--)", command)
    room = columns - len(lines)
    for flag in flags:
        broken = len(flag) + len(" ") + len(" \\") > room
        room = columns - len(indent) if broken else room - 1
        lines += f" \\\n{indent}{flag}" if broken else f" {flag}"
        room -= len(flag)
    return lines


def format_seconds(seconds: float) -> str:
    """Return a time as `13 s`, `2 min 5 s` or `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def about_seconds(seconds: float) -> str:
    """Return a time to about one part in ten, at least 1 s."""
    unit = next(unit for unit in (1, 5, 10, 60) if seconds < 20 * unit or unit == 60)
    return format_seconds(max(1, unit * round(seconds / unit)))


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
