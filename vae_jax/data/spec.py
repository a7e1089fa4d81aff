"""The facts and images of a data set that a model's initial parameters may depend on."""

import numpy as np
from jaxtyping import Float

from vae_jax.types import Dataset, Sample, Spec

STREAM = 7
"""The number of the stream of random numbers that choose the images of a `Sample`."""


def spec_of(dataset: Dataset, levels: int = 0, codes: tuple[str, int, str] | None = None) -> Spec:
    """Return the facts about a data set that a model is made for; see `Spec` for `levels` and `codes`."""
    num_train, height, width, channels = dataset.train.images.shape
    return Spec((height, width, channels), len(dataset.class_names), num_train, dataset.class_names, levels, codes)


def sample_of(
    dataset: Dataset, mean_image: Float[np.ndarray, "H W C"], split_seed: int, count: int, labelled: bool
) -> Sample:
    """Return the sample with `count` different training images, and their labels if `labelled`; `split_seed` alone chooses."""
    rows = np.random.default_rng([split_seed, STREAM]).permutation(len(dataset.train.images))[:count]
    rows = np.sort(rows)
    return Sample(mean_image, dataset.train.images[rows], dataset.train.labels[rows] if labelled else None)
