"""Images as a caller gives them, checked, and a function of many rows computed a piece at a time."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax.data.mapped import unmap
from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError


def in_pieces(function: Callable[[Any], Any], rows: Any, most: int) -> Any:
    """Compute function(rows) in pieces, and return its results as numpy arrays.

    Args:
        function: (rows) -> a pytree of arrays, each with a row for every row given.
        rows: a pytree of arrays [N, ...]; uint8 images become pixels in [0, 1].
        most: the most rows of a piece.
    """
    count = len(jax.tree.leaves(rows)[0])
    # Padded to a power of 8, so that few sizes are compiled.
    size = min(most, 8 ** math.ceil(math.log(max(count, 1), 8)))

    def piece(rows: np.ndarray, start: int) -> np.ndarray:
        part = unit(rows[start : start + size])
        unmap(rows)
        return np.pad(part, [(0, size - len(part)), *[(0, 0)] * (rows.ndim - 1)])

    pieces = []
    for start in range(0, max(count, 1), size):
        pieces.append(jax.device_get(function(jax.tree.map(lambda a, start=start: piece(a, start), rows))))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *pieces)


def as_images(x: np.ndarray, shape: tuple[int, int, int], any_range: bool) -> np.ndarray:
    """Return images [N, H, W, C] as they are if uint8, else as float32.

    Args:
        x: [N, H, W, C], or [N, H, W] for grey images.
        shape: (H, W, C).
        any_range: True if floats may be outside of [0, 1].

    Raises:
        InputError: another shape or range.
    """
    x = np.asarray(x)
    if x.ndim == 3 and shape[2] == 1:
        x = x[..., None]
    if x.shape[1:] != shape:
        raise InputError(f"x has shape {x.shape}; the run's images are [N, {', '.join(map(str, shape))}]")
    if x.dtype == np.uint8:
        return x
    x = x.astype(np.float32)
    if x.size and not any_range and not (x.min() >= 0 and x.max() <= 1):
        raise InputError(f"x is in [{x.min():g}, {x.max():g}]; float images must be in [0, 1], others must be uint8")
    return x
