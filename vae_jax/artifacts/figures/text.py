"""Texts of people, as folders or values are named, in figures."""

import textwrap


def plain(text: str) -> str:
    """The text for matplotlib, to which two dollar signs are a formula."""
    return text.replace("$", r"\$")


def wrapped(text: str, width: int, lines: int) -> str:
    """The same in so many lines of at most so many characters; what is beyond them is left out, and dots say so."""
    return plain(textwrap.fill(text, width, max_lines=lines, placeholder=" ..."))
