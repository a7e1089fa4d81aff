"""Decoded points around the codes of real images."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.arrays.lookups import Lookup, parts
from vae_jax.artifacts.arrays.rows import example_rows
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.preprocess import unit

CORNER_STEPS = 10
"""The images along a side; even, because a conditional model decodes each quarter with the class of its corner."""


class Variations(NamedTuple):
    """The code of a test image with one dimension moved."""

    images: Float[np.ndarray, "D n H W C"]
    original: Float[np.ndarray, "2 H W C"]
    """The test image, and its reconstruction from its code."""
    coordinates: Float[np.ndarray, "D n"]
    """The coordinates of every dimension: those of the traversal, or from its 1st to its 99th percentile without a prior."""
    own: Float[np.ndarray, " D"]
    """The image's own coordinates."""
    name: str


def variations(source: Source, array: Lookup) -> Variations | None:
    """Decode the code of the first example with each shown dimension moved; None if numbers are no z."""
    if source.decode is None:
        return None
    row, chosen = int(example_rows(source, 1)[0]), array("traversal_dimensions")
    codes = array("latents")
    steps = np.tile(array("traversal_coordinates"), (len(chosen), 1))
    if source.sample is None:
        low, high = np.quantile(codes[:, chosen].astype(np.float64), [0.01, 0.99], axis=0)
        steps = np.linspace(low, high, steps.shape[1]).T
    z = np.tile(codes[row], (*steps.shape, 1))
    for i, k in enumerate(chosen):
        z[i, :, k] = steps[i]
    labels = () if source.given is None else (int(source.given[row]),)
    images = source.decode(np.concatenate([z.reshape(-1, z.shape[-1]), codes[[row]]]), *labels)
    original = np.stack([unit(source.test.images[[row]])[0], images[-1]])
    shape = *steps.shape, *images.shape[1:]
    return Variations(images[:-1].reshape(shape), original, steps, codes[row, chosen], image_name(source, row))


def image_name(source: Source, row: int) -> str:
    """Return a test image's number, and its class if there are classes."""
    return f"test image {row}" + (f" ({source.class_names[source.test.labels[row]]})" if source.class_names else "")


def corner_rows(source: Source, _: Lookup) -> Any:
    """Return the indices of four examples, of different classes if there are four; None of fewer images."""
    rows = example_rows(source, 4)
    return rows if len(rows) == 4 and source.decode is not None else None


def corners(source: Source, array: Lookup) -> Any:
    """Decode a square of points between the codes of four test images; None if numbers are no z."""
    rows = array("corner_rows")
    if rows is None or source.decode is None:
        return None
    z = geometry.between_corners(array("latents")[rows], CORNER_STEPS)
    if source.given is None:
        return source.decode(z)
    half = np.repeat([0, 1], CORNER_STEPS // 2)
    return source.decode(z, source.given[rows][(2 * half[:, None] + half[None]).ravel()])


ARRAYS = {
    "varied": variations,
    **parts("varied", "variations", *(f"variation_{name}" for name in ("original", "coordinates", "own", "name"))),
    "corner_rows": corner_rows,
    "corners": corners,
    "corner_originals": lambda source, array: unit(source.test.images[array("corner_rows")]),
    "corner_given": lambda source, _: source.given is not None,
    "corner_names": lambda source, array: tuple(
        source.class_names[source.test.labels[row]] if source.class_names else f"image {row}"
        for row in array("corner_rows")
    ),
}
