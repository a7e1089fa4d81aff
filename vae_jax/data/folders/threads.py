"""Many image files decoded at once, in order, in threads (PIL releases the lock of Python), under a progress bar."""

import collections
import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vae_jax.data.folders.image_file import BrokenImageError, Decoded
from vae_jax.errors import InputError

_WINDOW = 8  # images in flight for each thread: bounds the memory


class Decoding:
    """A decoder of files that requires one size and collects the broken files.

    Attributes:
        broken: "file: reason" of each so far.
        paged: each file so far that has more than one page or frame.
    """

    def __init__(self, decode: Callable[[Path], Decoded], pool: ThreadPoolExecutor, bar: Any) -> None:
        self.broken: list[str] = []
        self.paged: list[Path] = []
        self._decode, self._pool, self._bar = decode, pool, bar
        self._first: tuple[Path, tuple[int, ...]] | None = None

    def images(self, files: Sequence[Path], good: list[int]) -> Iterator[UInt8[np.ndarray, "H W C"]]:
        """Yield the images of the readable files, in order; their indices are appended to `good`.

        Raises:
            InputError: an image is not of the first one's size.
        """
        for i, future in enumerate(self._ahead(files)):
            self._bar.update()
            try:
                image, several = future.result()
            except BrokenImageError as error:
                self.broken.append(f"{files[i]}: {error}")
                continue
            self._check_size(files[i], image.shape)
            good.append(i)
            if several:
                self.paged.append(files[i])
            yield image

    def _ahead(self, files: Sequence[Path]) -> Iterator[Future]:
        flying: collections.deque[Future] = collections.deque()
        try:
            for file in files:
                if len(flying) == _WINDOW * num_threads():
                    yield flying.popleft()
                flying.append(self._pool.submit(self._decode, file))
            while flying:
                yield flying.popleft()
        finally:
            for future in flying:
                future.cancel()

    def _check_size(self, file: Path, shape: tuple[int, ...]) -> None:
        self._first = self._first or (file, shape)
        if shape != self._first[1]:
            other, (h, w, _) = self._first
            raise InputError(
                f"dataset=folder: its images vary in size ({other} is {h} x {w}, {file} {shape[0]} x {shape[1]}); "
                "give --config.image_size=HEIGHT,WIDTH"
            )


@contextlib.contextmanager
def decoding(decode: Callable[[Path], Decoded], total: int) -> Iterator[Decoding]:
    """Context manager: a Decoding with threads and a progress bar over `total` files, if stderr is a terminal."""
    from tqdm import tqdm

    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(num_threads()) as pool,
        tqdm(total=total, desc="decoding images", disable=None, leave=False) as bar,
    ):
        warnings.simplefilter("ignore")  # PIL's: what matters is an error, or checked
        yield Decoding(decode, pool, bar)


def num_threads() -> int:
    """Return the number of threads: one per core."""
    return os.cpu_count() or 1
