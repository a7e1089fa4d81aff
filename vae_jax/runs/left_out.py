"""Figures and pages that fail: each is left out with a line, and costs nothing else."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vae_jax.errors import TrainingError, printable
from vae_jax.system import disk

FILE = "left_out.txt"
"""The file with the tracebacks of what failed."""
MOST_LETTERS = 200
"""The largest number of characters of an error's message that are printed."""


@contextmanager
def guarded(name: str, failed: dict[str, Exception]) -> Iterator[None]:
    """Keep an exception under the name of what it left out. A full disk is not the figure's fault, and is raised."""
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        failed[name] = error


def write_failed(failed: Mapping[str, Exception], folder: Path, print_line: Callable[[str], object]) -> None:
    """Print a line for each name in `failed`, and write the tracebacks to a file in the folder; remove it if none failed.

    Raises:
        TrainingError: the disk is full.
    """
    path = folder / FILE
    if not failed:
        path.unlink(missing_ok=True)
        return
    texts = (f"{name}\n{''.join(traceback.format_exception(error))}" for name, error in failed.items())
    disk.write(path, "\n".join(texts))
    for name, error in failed.items():
        message = printable(" ".join(str(error).split())[:MOST_LETTERS])
        print_line(f"left out: {name}: {type(error).__name__}: {message}; the traceback is in {path}")
