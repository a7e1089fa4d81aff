"""The facts and images of a data set that a model's initial parameters may depend on."""

import numpy as np
from jaxtyping import Int32, UInt8

from vae_jax.types import Dataset, Spec

STREAM = 7
"""The number of the stream of random numbers that choose the images of a `Sample`."""


def spec_of(dataset: Dataset) -> Spec:
    """Return the facts about a data set that a model is made for."""
    num_train, height, width, channels = dataset.train.images.shape
    return Spec((height, width, channels), len(dataset.class_names), num_train, dataset.class_names)


def sample_images(
    dataset: Dataset, split_seed: int, count: int
) -> tuple[UInt8[np.ndarray, "M H W C"], Int32[np.ndarray, " M"]]:
    """Return `count` different training images and their labels; which ones depends on `split_seed` alone."""
    rows = np.random.default_rng([split_seed, STREAM]).permutation(len(dataset.train.images))[:count]
    rows = np.sort(rows)
    return dataset.train.images[rows], dataset.train.labels[rows]
