"""The facts and images of a data set that a model's initial parameters may depend on."""

import numpy as np
from jaxtyping import UInt8

from vae_jax.types import Dataset, Spec

STREAM = 7
"""The number of the stream of random numbers that choose the images of a `Sample`."""


def spec_of(dataset: Dataset) -> Spec:
    """Return the facts about a data set that a model is made for."""
    num_train, height, width, channels = dataset.train.images.shape
    return Spec((height, width, channels), len(dataset.class_names), num_train)


def sample_images(dataset: Dataset, split_seed: int, count: int) -> UInt8[np.ndarray, "M H W C"]:
    """Return `count` different training images; which ones depends on `split_seed` alone."""
    rows = np.random.default_rng([split_seed, STREAM]).permutation(len(dataset.train.images))[:count]
    return dataset.train.images[np.sort(rows)]
