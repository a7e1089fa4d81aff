"""The model to examine and its data: images of a split with their codes."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int32, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError
from vae_jax.evaluation.health.codes import Codes, DrawCodes, Labels
from vae_jax.types import Dataset, Model, Params, Split

STREAM = 5
"""The number of this stream of random keys, which are not those of the run with the same seed (`randomness.keys_of`)."""


class Subject(NamedTuple):
    """The model to examine, and its data."""

    model: Model
    params: Params
    dataset: Dataset
    seed: int
    binarize: str = "none"
    """The config's binarize; with `dynamic`, training images are grey and are drawn once."""
    prefix: str = ""
    """The prefix of the bounds' names if log p(x) is not a mass, such as `grey_`."""
    remedy: str = ""
    """The advice if most codes are dead, for a model with discrete codes; see `models.against_dead_codes`."""


class Encoded(NamedTuple):
    """Images of one split, in random order, with their codes."""

    images: UInt8[np.ndarray, "N H W C"]
    labels: Int32[np.ndarray, " N"]
    codes: Codes
    conditional: bool = False
    """True if the model is given the labels."""

    def given(self, most: int) -> Labels:
        """Return the labels of the first `most` images, or None if the model is not given them."""
        return self.labels[:most] if self.conditional else None


def encode_split(subject: Subject, draw: DrawCodes, name: str, most: int, number: int) -> Encoded:
    """Return at most `most` images of a split, in random order, with their codes.

    Raises:
        InputError: some have no finite code.
    """
    split: Split = getattr(subject.dataset, name)
    rng = np.random.default_rng([subject.seed, number, STREAM])
    rows = rng.permutation(len(split.images))[:most]
    images = split.images[rows]
    if subject.binarize == "dynamic":
        images = draw_binary(images, rng)
    labels, conditional = split.labels[rows], subject.model.given is not None
    codes = draw(subject.params, key_of(subject, number), images, labels if conditional else None)
    finite = np.isfinite(codes.points).all(axis=1) & np.isfinite(codes.elbo) & np.isfinite(codes.log_own)
    if not finite.all():
        raise InputError(f"the codes of {(~finite).sum():,} of {len(images):,} {name} images are not finite: overflow")
    return Encoded(images, labels, codes, conditional)


def draw_binary(images: UInt8[np.ndarray, "N H W C"], rng: np.random.Generator) -> UInt8[np.ndarray, "N H W C"]:
    """Return pixels that are 255 with the grey value as the probability, else 0."""
    return ((rng.random(images.shape, np.float32) < unit(images)) * 255).astype(np.uint8)


def key_of(subject: Subject, number: int) -> jax.Array:
    """Return key `number` of the report; none is a key of the run."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(subject.seed), STREAM), number)
