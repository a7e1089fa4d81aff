"""The mean image of a split, and short hashes of images, of a data set and of parameters."""

import hashlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from vae_jax.data.lazy import HostImages, LazyImages
from vae_jax.data.mapped import pieces_of
from vae_jax.types import Dataset, Params


def mean_of(images: Shaped[HostImages, "N H W C"]) -> Float[np.ndarray, "H W C"]:
    """Return the mean image, of pixels in [0, 1]; a mapped file does not stay in memory. It is exact but for latents."""
    total, highest = total_of(images), 255 if images.dtype == np.uint8 else 1
    return (total / (highest * len(images))).astype(np.float32)


def total_of(
    images: Shaped[HostImages, "N H W C"], advance: Callable[[int], Any] = lambda count: None
) -> Shaped[np.ndarray, "H W C"]:
    """Return the sum of all images, i64 or, of latents, f64; `advance` is called with the number of each piece."""
    if isinstance(images, LazyImages) and images.total is not None:
        return images.total
    kind = np.int64 if np.issubdtype(images.dtype, np.integer) else np.float64
    total = np.zeros(images.shape[1:], kind)
    for piece in pieces_of(images):
        total += piece.sum(axis=0, dtype=kind)
        advance(len(piece))
    return total


def data_digest(dataset: Dataset, mean_image: Float[np.ndarray, "H W C"]) -> str:
    """Return a short hash of the data, because folders may change during a run, and two may have the same name.

    It covers the sizes, the labels and the mean training image; the part after the dash, the other two mean images.
    """
    digest = hashlib.sha256(mean_image.tobytes())
    for split in dataset[:3]:
        digest.update(f"{split.images.shape}".encode() + split.labels.tobytes())
    held_out = hashlib.sha256(mean_of(dataset.val.images).tobytes() + mean_of(dataset.test.images).tobytes())
    return f"{digest.hexdigest()[:16]}-{held_out.hexdigest()[:16]}"


def images_digest(images: UInt8[np.ndarray, "N H W C"]) -> str:
    """Return a short hash of all pixels."""
    digest = hashlib.sha256(f"{images.shape}".encode())
    for piece in pieces_of(images):
        digest.update(piece.tobytes())
    return digest.hexdigest()[:16]


def params_digest(params: Params) -> str:
    """Return a short hash of the names, types and values of all parameters."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]
