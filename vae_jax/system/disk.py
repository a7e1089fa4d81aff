"""A full disk: noticed before a write where that can be, and told with the path and what it would have taken."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vae_jax.errors import InputError, TrainingError
from vae_jax.system.formatting import format_bytes

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, a quota and a file-size limit."""
WORDS = ("No space left", "quota exceeded", "File too large", "RESOURCE_EXHAUSTED")
"""By which libraries tell of them that raise other errors."""


def is_full(error: BaseException) -> bool:
    """Whether this error, or one that it was raised from, is that of a full disk."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    cause = error.__cause__
    return any(word.lower() in str(error).lower() for word in WORDS) or (cause is not None and is_full(cause))


@contextmanager
def writing(path: Path, num_bytes: int) -> Iterator[None]:
    """A context in which num_bytes are written to path.

    Raises:
        TrainingError: the disk is full; it names the path, the space needed and the space that is free.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise TrainingError(full_disk_message(path, num_bytes)) from error


def assert_room(path: Path, num_bytes: int) -> None:
    """Refuse to write what there is no room for, before anything is begun; the folder of path is there.

    A file of that size is reserved and given back at once, because quotas and limits of file sizes are nowhere to be read.

    Raises:
        TrainingError: see `writing`.
    """
    with writing(path, num_bytes), tempfile.TemporaryFile(dir=path.parent) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        elif (free := _free(path)) is not None and free < num_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk_message(path: Path, num_bytes: int) -> str:
    """The line for a person; num_bytes is what is known to be needed."""
    free = _free(path)
    # A quota or a limit on files is not what the disk itself has left.
    room = "" if free is None else f", the disk has {format_bytes(free)} left"
    room += " (a quota or a limit of file sizes?)" if free is not None and free >= num_bytes else ""
    return f"{path}: cannot be written, the disk is full: {format_bytes(num_bytes)} needed{room}"


def _free(path: Path) -> int | None:
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def write(path: Path, content: str | bytes, durable: bool = False) -> None:
    """Write a file whole or not at all: to a temporary name, which is then renamed.

    With `durable` the content is on the disk before the rename, so that not even a power cut leaves half of it.

    Raises:
        TrainingError: the disk is full.
    """
    temporary = path.with_name(path.name + ".tmp")
    if temporary.is_dir():  # a folder of the user
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with writing(path, len(data)), temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(flag: str, path: Path) -> Path:
    """Make a folder to write in, if it is not there; `flag` is what the person gave it with.

    Raises:
        InputError: it is a file, or cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{flag}={path}: the folder cannot be made: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{flag}={path}: no permission to write in it")
    return path
