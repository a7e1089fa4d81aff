"""Files written whole or not at all, and a full disk as an error that names the path and the space needed."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vae_jax.errors import InputError, TrainingError
from vae_jax.system.formatting import format_bytes

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The error numbers of a full disk, a quota and a file-size limit."""
WORDS = ("No space left", "quota exceeded", "File too large", "RESOURCE_EXHAUSTED")
"""The words for them in libraries that raise other errors."""


def is_full(error: BaseException) -> bool:
    """Return True if this error, or the one that caused it, says that a disk is full."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    cause = error.__cause__
    return any(word.lower() in str(error).lower() for word in WORDS) or (cause is not None and is_full(cause))


@contextmanager
def writing(path: Path, num_bytes: int) -> Iterator[None]:
    """Context manager around a write of num_bytes to path.

    Raises:
        TrainingError: the disk is full; the message names the path, the space needed and the free space.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise TrainingError(full_disk_message(path, num_bytes)) from error


def assert_room(path: Path, num_bytes: int) -> None:
    """Raise TrainingError unless num_bytes fit on the disk of path, whose folder exists; see `writing`.

    A file of that size is reserved and removed at once, because quotas and file-size limits cannot be read.
    """
    with writing(path, num_bytes), tempfile.TemporaryFile(dir=path.parent) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        elif (free := _free(path)) is not None and free < num_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk_message(path: Path, num_bytes: int) -> str:
    """Return the error line; num_bytes is the space known to be needed."""
    free = _free(path)
    # Under a quota or a file-size limit the disk itself may have enough space.
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


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; empty if it is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def make_folder(flag: str, path: Path) -> Path:
    """Create a folder to write in, if it is missing; `flag` is the option that named it.

    Raises:
        InputError: it is a file, or cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{flag}={path}: the folder cannot be created: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{flag}={path}: no permission to write in this folder")
    return path
