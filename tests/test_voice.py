"""The voice, as far as a test can hold it: how docstrings open, phrases that no sentence needs, sizes of functions and files."""

import ast
import re

import pytest
from support.paths import ROOT

SOURCES = sorted(path for folder in ("vae_jax", "experiments", "configs") for path in (ROOT / folder).rglob("*.py"))
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
PAGES += [ROOT / name for name in ("experiments/README.md", "docs/reliability.md")]
PAGES += sorted((ROOT / "experiments").glob("*/README.md"))
OPENING = re.compile(r"(Of|What|That|Whether|Where|Which|Those|How|All that|As `)\b")
PHRASES = (
    *("told", "anew", "goes on", "go on with", "asked for", "asks for", "lies where", "lie where", "lies in", "lie in"),
    *(
        "at its end",
        "for want of",
        "to be had",
        "no matter of",
        "of which all but",
        "whatever it is",
        "memory of its own",
    ),
)
BANNED = re.compile(r"\b(" + "|".join(PHRASES) + r")\b")
MOST_LINES = {"function": 60, "file": 180, "vae_jax/types.py": 300}
NAMES = [path.relative_to(ROOT).as_posix() for path in SOURCES]


def docstrings(tree: ast.Module):
    """(line, text) of every docstring, and of every string that documents the name above it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                value = statement.value if isinstance(statement, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield statement.lineno, value.value


def texts(tree: ast.Module):
    """(line, text) of every string: docstrings, messages, help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_open_with_what_they_are_about(name):
    tree = ast.parse((ROOT / name).read_text())
    odd = [f"{name}:{line}: {text.splitlines()[0]}" for line, text in docstrings(tree) if OPENING.match(text)]
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("name", NAMES)
def test_a_docstrings_first_sentence_stands_alone(name):
    """After it comes the end, or a blank line."""
    odd = []
    for line, text in docstrings(ast.parse((ROOT / name).read_text())):
        first, blank, _ = text.strip().partition("\n\n")
        if blank and first.rstrip()[-1:] not in ".:`)]":
            odd.append(f"{name}:{line}: {first.splitlines()[-1]}")
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_has_to_be_translated(name):
    odd = []
    for line, text in texts(ast.parse((ROOT / name).read_text())):
        odd += [f"{name}:{line}: {found.group()!r} in {' '.join(text.split())[:90]}" for found in BANNED.finditer(text)]
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_has_to_be_translated(page):
    odd = [f"{i}: {line}" for i, line in enumerate(page.read_text().splitlines(), 1) if BANNED.search(line)]
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("name", NAMES)
def test_functions_and_files_are_read_in_one_sitting(name):
    text = (ROOT / name).read_text()
    assert text.count("\n") <= MOST_LINES.get(name, MOST_LINES["file"])
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert {function: lines for function, lines in long.items() if lines > MOST_LINES["function"]} == {}
