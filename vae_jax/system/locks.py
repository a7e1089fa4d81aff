"""One process trains a run: a lock that the system takes back from a process that ends, however it ends."""

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vae_jax.errors import InputError

FILE = ".lock"
"""In a run's directory while it trains: the holder's process and host. A crash leaves the file, and no lock."""


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """A context in which no other process can hold the lock of this folder, which exists.

    Raises:
        InputError: another process holds it.
        OSError: the lock's file cannot be made.
    """
    with _lock(workdir / FILE) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            (workdir / FILE).unlink(missing_ok=True)


def assert_free(workdir: Path) -> None:
    """Refuse a folder whose lock another process holds.

    Raises:
        InputError: naming that process and its host.
    """
    with contextlib.suppress(FileNotFoundError), (workdir / FILE).open() as file:
        _seize(file, workdir / FILE)


def _lock(path: Path) -> IO[str]:
    """The lock's file, locked until it is closed; if it was unlinked between opening and locking, the next of that name."""
    while True:
        file = path.open("a")
        try:
            _seize(file, path)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def _seize(file: IO[str], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = path.read_text() or "another process"
        raise InputError(
            f"--workdir={path.parent}: {holder} trains in it; wait for it or stop it, or name another folder"
        ) from None
    except OSError:  # a file system without locks
        return
