"""Names that people chose, of classes, folders or values, as text in figures."""

import textwrap
from functools import cache

import matplotlib
import numpy as np
from jaxtyping import Bool
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from vae_jax.artifacts.figures.style import default_style

MOST_NAMES = 30
DEFAULT_FAMILY = "DejaVu Sans"
"""Matplotlib's own font, which is there on every machine."""


def plain(text: str) -> str:
    """Escape dollar signs, which matplotlib takes for a formula; a character that no installed font has becomes "?".

    Families that the text needs are added to the fonts of the current figure.
    """
    text = "".join(char if char.isspace() or _family(char) else "?" for char in text)
    matplotlib.rcParams["font.family"] = list(
        dict.fromkeys([*matplotlib.rcParams["font.family"], *filter(None, map(_family, text))])
    )
    return text.replace("$", r"\$")


def shortened(text: str, width: int) -> str:
    """Return the text in one line of at most `width` characters; an ellipsis stands for its middle."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - width // 2 - 1]}…{text[-(width // 2) :]}"


def wrapped(text: str, width: int, lines: int) -> str:
    """Escape the text and wrap it into at most `lines` lines of `width` characters; the last line may be shortened."""
    text = " ".join(text.split())
    kept = textwrap.wrap(text, width)
    if len(kept) > lines:
        kept[lines - 1 :] = [f"{kept[lines - 1][: width - width // 2 - 1]}…{text[-(width // 2) :]}"]
    return plain("\n".join(kept))


def inactive_note(active: Bool[np.ndarray, " Z"], shown: int, share: str = "almost no information") -> str:
    """Return the line on the dimensions that a figure of `shown` active ones leaves out; empty if it shows all.

    `share` is what the inactive dimensions carry together.
    """
    count, size = int(active.sum()), len(active)
    parts = [f"the first {shown} of {count} active dimensions"] if shown < count else []
    if size - count == 1:
        parts.append(f"1 of {size} dimensions is inactive: it carries {share}")
    elif count < size:
        which = f"{size - count} of {size}" if count else f"all {size}"
        parts.append(f"{which} dimensions are inactive: they carry {share}")
    return "; ".join(parts)


@default_style()
def shown_names(names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return the class names that figures show and "", or numbers and a message if no font can show the names."""
    if all(char.isspace() or _family(char) for name in names for char in name):
        return names, ""
    listed = ", ".join(f"{k} = {name}" for k, name in enumerate(names[:MOST_NAMES]))
    more = ", ..." if len(names) > MOST_NAMES else ""
    return (
        tuple(map(str, range(len(names)))),
        f"no installed font can show the class names, so they are numbers in the figures: {listed}{more}",
    )


@cache
def _family(char: str) -> str | None:
    """Return the first font family with a glyph for the character, in normal and in bold type, or None."""
    installed = sorted({entry.name for entry in fontManager.ttflist if "Last Resort" not in entry.name})
    for family in (DEFAULT_FAMILY, *installed):
        files = {findfont(FontProperties(family=family, weight=weight)) for weight in ("normal", "bold")}  # pyright: ignore
        if all(get_font(file).get_char_index(ord(char)) for file in files):
            return family
    return None
