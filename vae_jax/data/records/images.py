"""The images of a split, decoded when they are indexed, by grain's threads."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from vae_jax.data.lazy import LazyImages
from vae_jax.data.records.reader import Reader
from vae_jax.errors import InputError

BYTES_AHEAD = 32 * 2**20
"""The decoded images that wait in memory, at least one block for each thread."""
SECONDS_TO_SAVE = 60
"""The time after a SIGTERM in which a worker still reads, for the steps before the run saves."""
_TOGETHER = 32  # images that one thread decodes at a time


class Blocks:
    """A source of grain: blocks of images, whose records `rows_of` names."""

    def __init__(self, reader: Reader, rows_of: Callable[[int], Int[np.ndarray, " n"]], length: int) -> None:
        """Make the source of `length` blocks; `rows_of` must be picklable."""
        self._reader, self._rows_of, self._length = reader, rows_of, length

    def __len__(self) -> int:
        """Return the number of blocks."""
        return self._length

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "n H W C"]:
        """Return the images of a block; InputError if they vary in shape."""
        images = self._reader.images(self._rows_of(index))
        shapes = sorted({image.shape for image in images})
        if len(shapes) > 1:
            sizes = " and ".join(f"{height} x {width} x {channels}" for height, width, channels in shapes[:2])
            raise InputError(f"{self._reader}: images of {sizes}; give --config.image_size=HEIGHT,WIDTH")
        return np.stack(images)


class RecordImages(LazyImages):
    """The images of records.

    Attributes:
        reader: the records.
        rows: the record of each image.
    """

    def __init__(
        self, reader: Reader, rows: Int[np.ndarray, " N"], shape: tuple[int, ...], total: np.ndarray | None = None
    ) -> None:
        """Describe the images; nothing is read."""
        self.reader, self.rows, self.total = reader, rows, total
        self.shape, self.dtype = (len(rows), *shape), np.dtype(np.uint8)
        self.nbytes = int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, key: Any) -> UInt8[np.ndarray, "..."]:
        """Read and decode images, see `LazyImages`; InputError if a record cannot be read or images vary in shape."""
        chosen = self.rows[key]
        flat = np.ravel(chosen)
        found = np.empty((len(flat), *self.shape[1:]), np.uint8)
        blocks = Blocks(self.reader, partial(_block, flat), -(-len(flat) // _TOGETHER))
        for block, images in enumerate(in_order(blocks, _TOGETHER * self.nbytes // max(1, len(self)))):
            if images.shape[1:] != self.shape[1:]:
                first, other = (" x ".join(map(str, shape[1:])) for shape in (self.shape, images.shape))
                raise InputError(f"{self.reader}: images of {first} and {other}; give --config.image_size=HEIGHT,WIDTH")
            found[block * _TOGETHER : block * _TOGETHER + len(images)] = images
        return found.reshape(*np.shape(chosen), *self.shape[1:])


def in_order(blocks: Blocks, nbytes: int, start: int = 0, workers: int = 0) -> Any:
    """Return grain's iterator over the blocks, which are read ahead by threads, or by `workers` processes with threads.

    Args:
        blocks: the source.
        nbytes: the bytes of a block; about BYTES_AHEAD are read ahead, in each process.
        start: the first block.
        workers: the number of processes.
    """
    import grain
    from absl import flags

    if not flags.FLAGS.is_parsed():  # grain looks up its own flags; we have none of absl's to parse
        flags.FLAGS.mark_as_parsed()
    threads = os.cpu_count() or 1
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(threads, BYTES_AHEAD // nbytes))
    ahead = grain.MapDataset.source(blocks)[start:].to_iter_dataset(options)
    if workers:
        ahead = ahead.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers), worker_init_fn=_start_worker)
    return iter(ahead)


def _start_worker(index: int, count: int) -> None:
    """Leave Ctrl-C and SIGTERM to the parent, which saves the run and then ends its workers; end if the parent is killed.

    A terminal and a cluster send them to every process of a run.
    """
    parent = os.getppid()

    def end_later(signum: int, frame: Any) -> None:
        timer = threading.Timer(SECONDS_TO_SAVE, os._exit, (128 + signum,))
        timer.daemon = True
        timer.start()

    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, end_later)  # not ignored: Python ends forgotten workers by SIGTERM

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _block(rows: np.ndarray, block: int) -> np.ndarray:
    return rows[block * _TOGETHER : (block + 1) * _TOGETHER]
