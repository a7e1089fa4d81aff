"""Images that are read when they are indexed, in place of an array."""

from typing import Any

import numpy as np
from jaxtyping import Shaped


class LazyImages:
    """Images u8[N, H, W, C] that have the shape of an array; indexing them reads them.

    Attributes:
        shape: (N, H, W, C).
        dtype: uint8.
        nbytes: the bytes of all images when decoded.
        total: the sum of all images i64[H, W, C], or None if it is not known.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    nbytes: int
    total: Any

    def __len__(self) -> int:
        """Return the number of images."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Shaped[np.ndarray, "..."]:
        """Read the images of an index, a slice, a mask or an array of indices."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[np.ndarray, "N H W C"]:
        """Read all images."""
        return self[:] if dtype is None else self[:].astype(dtype)


HostImages = np.ndarray | LazyImages
"""The images of a split: in memory, in a mapped file, or read when they are indexed."""
