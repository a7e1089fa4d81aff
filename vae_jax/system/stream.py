"""Text streams, as far as the console needs them."""

import os
from typing import Protocol, runtime_checkable


@runtime_checkable
class Stream(Protocol):
    """A text stream, as far as the console needs it."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> None:
        """Pass the text on to the reader."""

    def isatty(self) -> bool:
        """Return True if the stream is a terminal."""
        ...

    def fileno(self) -> int:
        """Return the file descriptor, or raise OSError."""
        ...


def discard(stream: Stream) -> None:
    """Send the rest to /dev/null: Python flushes the stream at exit, and would complain and exit with code 120."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass
