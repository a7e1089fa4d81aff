"""Numbers as text: metrics, tables and sizes in bytes."""

from collections.abc import Sequence

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


def format_table(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Value]]]) -> str:
    """Return a text table: title, names of the columns, one line per row; no newline at the end."""
    cells = [["", *columns], *([name, *(format_value(name, value) for value in values)] for name, values in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([f"{row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    ]
    return "\n".join([title, lines[0], "-" * len(lines[0]), *lines[1:]])


def format_bytes(count: int) -> str:
    """Return a size as `12.3 MB`."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1000:,.1f} kB"
