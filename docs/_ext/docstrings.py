"""Docstrings, which are plain text, as RST: their citations become links to the papers of docs/references.md."""

import re
from functools import cache
from pathlib import Path
from typing import Any

REFERENCES = Path(__file__).parents[1] / "references.md"
ROW = re.compile(r"^\| (?P<authors>.+) (?P<year>\d{4}[a-z]?) \| (?:\[.+\]\((?P<url>\S+)\)|.+) \|$")


@cache
def references() -> dict[tuple[str, str], str]:
    """Return (authors, year) -> the address of the paper; empty if it is in no public place."""
    rows = map(ROW.match, REFERENCES.read_text(encoding="utf-8").splitlines())
    return {(row["authors"], row["year"]): row["url"] or "" for row in rows if row}


def linked(text: str, link: str) -> str:
    """Return a text with the authors of each citation as a link, written as `link` with {text} and {url}."""
    for (authors, year), url in references().items():
        # A docstring may break a line between any two words.
        names = r"\s+".join(map(re.escape, authors.split()))
        if url:
            text = re.sub(
                rf"\b{names}(?=,?\s+\(?{year}\b)", lambda found, url=url: _link(found.group(), url, link), text
            )
    return text


def _link(names: str, url: str, link: str) -> str:
    return link.format(text=" ".join(names.split()), url=url)


def of_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring into RST, paragraph by paragraph."""
    lines[:] = "\n\n".join(map(_paragraph, "\n".join(lines).split("\n\n"))).split("\n")


def _paragraph(text: str) -> str:
    """Return a paragraph with links and without accidental markup; directives and tables stay as they are."""
    if text.lstrip().startswith(("..", "===", ">>>")):
        return text
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = [re.sub(r"([|*\\]|_(?=\W|$))", r"\\\1", piece) for piece in pieces[::2]]
    return linked("".join(pieces), "`{text} <{url}>`__")


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", of_docstring, priority=400)  # before napoleon reads the sections
    return {"parallel_read_safe": True}
