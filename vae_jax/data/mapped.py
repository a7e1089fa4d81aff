"""Images written to a .npy file one after another, so that memory does not grow with their number."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vae_jax.system.disk import assert_room

IMAGES_OF_A_PIECE = 1000


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


def pieces(images: UInt8[np.ndarray, "N H W C"]) -> Iterator[UInt8[np.ndarray, "n H W C"]]:
    """Yield the images in order, at most IMAGES_OF_A_PIECE at a time, and release each piece of a mapped file after its use."""
    for start in range(0, len(images), IMAGES_OF_A_PIECE):
        yield images[start : start + IMAGES_OF_A_PIECE]
        unmap(images)


def unmap(images: np.ndarray) -> None:
    """Release the memory of the pages read from a mapped file. Otherwise the whole file ends up resident.

    Views and the results of np.asarray have no map themselves; it belongs to an array further down their `base`.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    shown: Any = images
    while shown is not None and not isinstance(shown, mmap.mmap):
        shown = getattr(shown, "base", None)
    if shown is not None:
        shown.madvise(mmap.MADV_DONTNEED)
