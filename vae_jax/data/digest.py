"""The mean image of a split, and short hashes of images, of a data set and of parameters."""

import hashlib

import jax
import numpy as np
from jaxtyping import Float, UInt8

from vae_jax.data.mapped import pieces_of
from vae_jax.types import Dataset, Params


def mean_of(images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, "H W C"]:
    """Return the mean image, in [0, 1]. It is exact before rounding, and a mapped file does not stay in memory."""
    total = np.zeros(images.shape[1:], np.int64)
    for piece in pieces_of(images):
        total += piece.sum(axis=0, dtype=np.int64)
    return (total / (255 * len(images))).astype(np.float32)


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
