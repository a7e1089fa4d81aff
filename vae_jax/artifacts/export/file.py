"""The files of a format, each with a line of Python that loads it, and the import of the packages it needs."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from vae_jax.system import extras


class Artefact(NamedTuple):
    """A file that programs without vae_jax can read."""

    name: str
    """The file's name."""
    content: bytes
    load: str
    """A line of Python that loads it, with PATH in the place of the path, a Python string."""

    def line(self, folder: Path) -> str:
        """Return `load` for the file in this folder."""
        return self.load.replace("PATH", repr(str(folder / self.name)))


def extra(form: str) -> AbstractContextManager[None]:
    """Context manager: import packages of the extra `export` for a format; InputError if one is not installed."""
    return extras.extra("export", f"--format={form}")


def sizes(shape: tuple[int, ...]) -> str:
    """Return the shape of a batch as text, such as `[N, 8, 8, 1]`."""
    return f"[{', '.join(['N', *map(str, shape)])}]"
