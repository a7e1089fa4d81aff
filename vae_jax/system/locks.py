"""A lock on a run's directory, so that one process trains it; the system releases it whenever the process ends."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vae_jax.errors import InputError

FILE = ".lock"
"""The lock's file, with the process and host of the holder. A crash leaves the file but no lock."""
_TRIES = 11


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Context manager: hold the lock of an existing folder.

    Raises:
        InputError: another process holds it.
        OSError: the lock's file cannot be created.
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
    """Raise InputError, naming the process and its host, if another process holds the lock of this folder."""
    with contextlib.suppress(FileNotFoundError), (workdir / FILE).open() as file:
        _seize(file, workdir / FILE)


def holder(workdir: Path) -> str | None:
    """Return the process and its host that hold the lock of this folder, or None. Nothing is written."""
    with contextlib.suppress(OSError), (workdir / FILE).open() as file:
        try:
            _flock(file, shared=True)
        except BlockingIOError:
            return file.read() or "another process"
    return None


def _lock(path: Path) -> IO[str]:
    """Return the lock's file, locked until it is closed. If it was unlinked before it was locked, try the next one."""
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
    """Lock the file. Another process may hold it for the moment of a look (`holder`), so try for a while."""
    for _ in range(_TRIES):
        try:
            return _flock(file)
        except BlockingIOError:
            time.sleep(0.01)
    raise InputError(
        f"--workdir={path.parent}: {path.read_text() or 'another process'} is training in this folder; wait for it, stop "
        "it, or choose another folder"
    )


def _flock(file: IO[str], shared: bool = False) -> None:
    """Lock the file until it is closed; raise BlockingIOError if another process holds it. Without locks, do nothing."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return
