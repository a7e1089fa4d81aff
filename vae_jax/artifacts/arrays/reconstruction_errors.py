"""The reconstruction error of every test image, and the best, the median and the worst of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from vae_jax.artifacts.arrays.lookups import Compute, Lookup, parts
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.preprocess import unit

PIECE = 64
"""The images reconstructed at once: as many as for the other figures, so that nothing is compiled again."""
SHOWN = 4
"""The images of each kind."""


class Reconstructed(NamedTuple):
    """All test images reconstructed."""

    errors: Float[np.ndarray, " N"]
    """The mean squared error of a pixel in [0, 1]."""
    map: Float[np.ndarray, "H W"]
    """The root mean squared error of every pixel over the images and channels."""
    images: UInt8[np.ndarray, "N H W C"]
    """The reconstructions, rounded to 8 bits, which is how they are shown."""
    inputs: UInt8[np.ndarray, "N H W C"] | None
    """A denoiser's corrupted images, likewise."""


def reconstruct_all(source: Source, _: Lookup) -> Reconstructed | None:
    """Reconstruct the test images in pieces: in memory they are bytes. None if reconstructions are draws."""
    if source.draws_pixels:
        return None
    errors, images, inputs = [], [], []
    squares = np.zeros(source.test.images.shape[1:])
    for start in range(0, len(source.test.images), PIECE):
        rows = slice(start, start + PIECE)
        originals, given = source.test.images[rows], _inputs(source, start)
        found = source.reconstruct(given, *source.labels_of(rows))
        square = np.square(found - unit(originals), dtype=np.float32)
        errors.append(square.mean(axis=(1, 2, 3), dtype=np.float64))
        squares += square.sum(axis=0, dtype=np.float64)
        images.append(_bytes(found))
        inputs += [] if source.corrupt is None else [_bytes(given)]
    over_images = np.sqrt((squares / len(source.test.images)).mean(axis=-1))
    corrupted = np.concatenate(inputs) if inputs else None
    return Reconstructed(np.concatenate(errors), over_images, np.concatenate(images), corrupted)


def _inputs(source: Source, start: int) -> np.ndarray:
    """Return what the encoder gets for the piece of images from `start`; a denoiser gets them corrupted."""
    originals = source.test.images[start : start + PIECE]
    return originals if source.corrupt is None else source.corrupt(originals, source.seed + start)


def _bytes(images: Float[np.ndarray, "N H W C"]) -> UInt8[np.ndarray, "N H W C"]:
    return (np.clip(np.nan_to_num(images), 0, 1) * 255).round().astype(np.uint8)


def chosen_rows(_: Source, array: Lookup) -> np.ndarray:
    """Return the indices [3, k] of the best test images, best first, the median ones, and the worst, worst last.

    An error that is not a number is the worst.
    """
    order = np.argsort(array("errors"), kind="stable")
    k = min(SHOWN, len(order))
    middle = (len(order) - k) // 2
    return np.stack([order[:k], order[middle : middle + k], order[len(order) - k :]])


def shown(part: Callable[[Source, Reconstructed], Any]) -> Compute:
    """Make a function that picks the chosen rows [3, k] of images, as pixels in [0, 1]."""

    def pick(source: Source, array: Lookup) -> Any:
        images = part(source, array("reconstructed"))
        return None if images is None else unit(images[array("error_rows")])

    return pick


def sigma_map(source: Source, _: Lookup) -> Any:
    """Return the quadratic mean of every pixel's learned sigma over the test images and channels."""
    if source.pixel_sigma is None:
        return None
    squares = np.zeros(source.test.images.shape[1:])
    for start in range(0, len(source.test.images), PIECE):
        rows = slice(start, start + PIECE)
        sigma = source.pixel_sigma(_inputs(source, start), *source.labels_of(rows))
        squares += np.square(sigma, dtype=np.float64).sum(axis=0)
    return np.sqrt((squares / len(source.test.images)).mean(axis=-1))


ARRAYS = {
    "reconstructed": reconstruct_all,
    **parts("reconstructed", "errors", "error_map"),
    "error_rows": chosen_rows,
    "error_values": lambda _, array: array("errors")[array("error_rows")],
    "error_originals": shown(lambda source, _: source.test.images),
    "error_reconstructions": shown(lambda _, found: found.images),
    "error_inputs": shown(lambda _, found: found.inputs),
    "sigma_map": sigma_map,
}
