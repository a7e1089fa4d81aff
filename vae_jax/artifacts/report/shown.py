"""The test images that the page shows: chosen, encoded and decoded."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from vae_jax.artifacts import arrays
from vae_jax.artifacts.report.sprites import tile_size
from vae_jax.data.preprocess import unit
from vae_jax.runs.run import Run
from vae_jax.types import Dataset, Split

MOST_POINTS, FEWEST_POINTS = 2000, 100
MOST_TILE_BYTES = 2**23
"""The most bytes of all thumbnails together, before compression."""
PIECE = 64
"""The codes decoded at once: as many as for the figures, so that nothing is compiled again."""


class Shown(NamedTuple):
    """The test images on the page, and the codes of the whole test split."""

    rows: Int[np.ndarray, " n"]
    """The indices of the images in the test split."""
    split: Split
    """The images and their labels."""
    given: Int[np.ndarray, " n"] | None
    """The labels that a conditional model is given, or None."""
    codes: Float[np.ndarray, "n Z"]
    decoded: Float[np.ndarray, "n H W C"]
    """The codes decoded, as the page decodes them."""
    errors: Float[np.ndarray, " n"]
    """The squared error per pixel of each decoded image, in the range [0, 1] of pixels."""
    means: Float[np.ndarray, "N Z"]
    """The codes of all test images."""


def encoded(run: Run, dataset: Dataset) -> Shown:
    """Encode the test split, and decode the images that the page shows."""
    rows = np.sort(_rows(run, dataset))
    split = Split(dataset.test.images[rows], dataset.test.labels[rows])
    labels = run.labels_of(dataset, "test")
    given = None if labels is None else labels[rows]
    means = run.latents(dataset.test.images, labels)
    decoded = _decoded(run, means[rows], given)
    errors = np.square(decoded - unit(split.images)).mean(axis=(1, 2, 3))
    return Shown(rows, split, given, means[rows], decoded, errors, means)


def _decoded(run: Run, codes: Float[np.ndarray, "n Z"], given: Any) -> Float[np.ndarray, "n H W C"]:
    """Decode codes in pieces of the size for which the figures have compiled the decoder."""
    pieces = [slice(start, start + PIECE) for start in range(0, max(len(codes), 1), PIECE)]
    return np.concatenate([run.decode(codes[piece], None if given is None else given[piece]) for piece in pieces])


def _rows(run: Run, dataset: Dataset) -> np.ndarray:
    height, width = tile_size(run.shape)
    most = MOST_TILE_BYTES // (height * width * run.shape[2])
    source = arrays.Source(
        run.latents, run.decode, run.reconstruct, dataset.test, dataset.class_names, {}, run.config.seed
    )
    return arrays.random_rows(source, min(MOST_POINTS, max(FEWEST_POINTS, most)))
