"""Images written to a .npy file one after another, so that memory does not grow with their number."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vae_jax.data.lazy import HostImages
from vae_jax.system.disk import assert_room


def write_rows(file: Path, rows: Iterable[UInt8[np.ndarray, "H W C"]], most: int) -> UInt8[np.ndarray, "N H W C"]:
    """Write at most `most` images of one shape to a new .npy file; return a read-only map of it, or an empty array.

    The writes are plain ones, because pages written through a map stay in memory until the system reclaims them.

    Raises:
        TrainingError: the disk has no room for that many.
        OSError: the file cannot be written. Whatever `rows` raises.
    """
    count, shape = 0, (0, 0, 0)
    with file.open("wb") as stream:
        for row in rows:
            if not count:
                shape = row.shape
                assert_room(file, most * row.nbytes)
                _write_header(stream, count, shape)
            stream.write(np.ascontiguousarray(row).data)
            count += 1
        if count:
            stream.seek(0)
            _write_header(stream, count, shape)
    return np.load(file, "r", allow_pickle=False) if count else np.empty((0, *shape), np.uint8)


def _write_header(stream: Any, count: int, shape: tuple[int, ...]) -> None:
    """Write the header of a .npy file; NumPy pads it, so that its length is the same for every count."""
    descr = np.lib.format.dtype_to_descr(np.dtype(np.uint8))
    header = {"descr": descr, "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(stream, header)


def unmap(images: HostImages) -> None:
    """Release the memory of the parts of a mapped file that were read; otherwise the whole set ends up in memory.

    Views, and the result of np.asarray, have no map of their own: it belongs to the array whose memory they show.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    shown: Any = images
    while shown is not None and not isinstance(shown, mmap.mmap):
        shown = getattr(shown, "base", None)
    if shown is not None:
        shown.madvise(mmap.MADV_DONTNEED)


def pieces_of(images: HostImages, size: int = 1000) -> Iterator[np.ndarray]:
    """Yield images[:size], images[size : 2 * size] and so on; memory of a mapped file is given back after each piece."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
        unmap(images)
