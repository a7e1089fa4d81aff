"""Sums over the images of a split, and a short hash of a data set."""

import hashlib

import numpy as np
from jaxtyping import Float, UInt8

from vae_jax.data.mapped import unmap
from vae_jax.types import Dataset

IMAGES_OF_A_SUM = 1000


def mean_of(images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, "H W C"]:
    """Return the mean image, in [0, 1]. It is exact before rounding, and a mapped file does not stay in memory."""
    total = np.zeros(images.shape[1:], np.int64)
    for start in range(0, len(images), IMAGES_OF_A_SUM):
        total += images[start : start + IMAGES_OF_A_SUM].sum(axis=0, dtype=np.int64)
        unmap(images)
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
