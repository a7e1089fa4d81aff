"""The images of a requested measurement, and their labels."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8

from vae_jax import data
from vae_jax.errors import InputError
from vae_jax.runs.run import Run
from vae_jax.types import Config, Dataset

Labels = Int32[np.ndarray, " N"] | None
"""The labels of the requested images; None for a run that is not conditional."""


class Request(NamedTuple):
    """A request for a measurement."""

    samples: int
    """S, the number of importance weights per image."""
    split: str = "test"
    """The split: "test", "val" or "train"."""
    which: str = "best"
    """The checkpoint: "best" or "latest"."""
    images: int = 0
    """The number of images, from the first; 0: all."""
    seed: int = 0
    method: str = "importance"
    """A name of METHODS."""
    temperatures: int = 0
    """The number of temperatures for annealing, whose chains are the samples."""


def images_of(config: Config, request: Request) -> UInt8[np.ndarray, "N H W C"]:
    """Return the requested images, binarised if the run's are, with the draw of `split_seed` for training images too.

    Raises:
        InputError: the split has fewer images, or the data are not available.
    """
    return _requested(_load(config, request.split), request)


def split_of(run: Run, request: Request) -> tuple[UInt8[np.ndarray, "N H W C"], Labels]:
    """Return the `images_of` a run and, if it is conditional, their labels."""
    dataset = _load(run.config, request.split)
    labels = run.labels_of(dataset, request.split)
    return _requested(dataset, request), None if labels is None else labels[: request.images or None]


def _load(config: Config, split: str) -> Dataset:
    if config.binarize == "dynamic" and config.dataset == "grain":
        if split == "train":
            raise InputError(
                "--split=train: dataset=grain has no drawn training images with binarize=dynamic; choices: val, test"
            )
    elif config.binarize == "dynamic":  # its training images are grey until a step draws them
        config = deepcopy(config)
        config.binarize = "static_seeded"
    return data.load(config)


def _requested(dataset: Dataset, request: Request) -> UInt8[np.ndarray, "N H W C"]:
    images = getattr(dataset, request.split).images
    if request.images > len(images):
        raise InputError(f"--images={request.images}: the {request.split} split has {len(images)}")
    return images[: request.images or None]
