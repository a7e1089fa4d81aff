"""What every format makes: files with a line of Python that loads each, and the packages that making them takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vae_jax.errors import InputError


class Artefact(NamedTuple):
    """A file that a program without vae_jax can read."""

    name: str
    """Of the file."""
    content: bytes
    load: str
    """A line of Python that loads it, PATH in the place of the file's path as a Python string."""

    def line(self, folder: Path) -> str:
        """`load` for the file in this folder."""
        return self.load.replace("PATH", repr(str(folder / self.name)))


@contextmanager
def extra(form: str) -> Iterator[None]:
    """A context for imports of packages of the extra `export`, which an installation may lack.

    Args:
        form: the format that takes them.

    Raises:
        InputError: one is not installed.
    """
    try:
        yield
    except ImportError as error:
        needed = (error.name or str(error)).partition(".")[0]
        raise InputError(f"--format={form}: needs the package {needed}; pip install -e '.[export]'") from None


def sizes(shape: tuple[int, ...]) -> str:
    """The shape of a batch of what has this shape, as people write it: `[N, 8, 8, 1]`."""
    return f"[{', '.join(['N', *map(str, shape)])}]"
