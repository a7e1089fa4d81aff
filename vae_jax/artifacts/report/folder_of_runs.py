"""The folders of runs in a folder, at any depth, found by the names of their files."""

import os
from collections.abc import Iterator
from pathlib import Path

from vae_jax.errors import InputError
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs import writer

MARKS = (workdir_lib.CONFIG, workdir_lib.RESULTS, writer.FILE, "checkpoints")
"""A folder with one of these names is a run, whole or damaged."""
MOST_DEPTH = 8
"""The depth below the folder up to which runs are found."""


def find(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders of runs under root, at any depth, and the topmost folders without any.

    Raises:
        InputError: root is not a folder, or cannot be read.
    """
    if not os.path.lexists(root):
        raise InputError(f"{root}: no such folder; choices: a folder of runs, such as runs/")
    if not root.is_dir():
        raise InputError(f"{root}: a file, not a folder of runs")
    try:
        names = {entry.name for entry in os.scandir(root)}
    except OSError as error:
        raise InputError(f"{root}: cannot be read: {error.strerror}") from None
    if names & set(MARKS):
        return [root], []
    return _below(root, MOST_DEPTH, {os.path.realpath(root)})


def _below(folder: Path, depth: int, seen: set[str]) -> tuple[list[Path], list[Path]]:
    runs: list[Path] = []
    others: list[Path] = []
    for child in _folders(folder):
        place = os.path.realpath(child)
        if place in seen:  # a link to a folder that was read, or into itself
            continue
        seen.add(place)
        if any(os.path.lexists(child / name) for name in MARKS):
            runs.append(child)
            continue
        own, left = _below(child, depth - 1, seen) if depth > 1 else ([], [])
        runs += own
        others += left if own else [child]
    return runs, others


def _folders(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_dir())
    except OSError:  # a folder that must not be read holds no run for us
        names = []
    yield from (folder / name for name in names)
