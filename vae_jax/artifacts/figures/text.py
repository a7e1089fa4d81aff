"""Names that people chose, of folders or values, as text in figures."""

import textwrap


def plain(text: str) -> str:
    """Escape dollar signs, which matplotlib takes for a formula."""
    return text.replace("$", r"\$")


def wrapped(text: str, width: int, lines: int) -> str:
    """Escape the text and wrap it into at most `lines` lines of `width` characters; dots stand for the rest."""
    return plain(textwrap.fill(text, width, max_lines=lines, placeholder=" ..."))
