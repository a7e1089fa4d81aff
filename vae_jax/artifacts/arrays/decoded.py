"""Points that are chosen to be decoded: the plane, traversals and walks; of a conditional model with their classes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.arrays.lookups import Compute, Lookup
from vae_jax.artifacts.arrays.rows import random_rows
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.labels import listed
from vae_jax.errors import InputError, shown

MOST_PLANES = 10
"""The most classes of a conditional model for which the plane is decoded."""
WALK_STEPS = 10
"""Must be even: for a conditional model each half of the walk is decoded with the class of its end."""


def manifold(coordinates: Callable[[int, Lookup], Float[np.ndarray, " n"]]) -> Compute:
    """Make a function that decodes the plane at (size, arrays) -> coordinates; of a conditional model once for each class."""

    def decoded(source: Source, array: Lookup) -> Any:
        # Here, not above: matplotlib is a large part of the start-up time.
        from vae_jax.artifacts.figures import plane_tiles

        if not source.standard_prior or array("latents").shape[1] != 2:
            return None
        return _decoded_plane(
            source, array, geometry.plane(coordinates(plane_tiles(source.test.images.shape[2]), array))
        )

    return decoded


def _decoded_plane(source: Source, array: Lookup, points: Float[np.ndarray, "n 2"]) -> Any:
    """Decode points of the plane; of a conditional model once for each class."""
    if source.decode is None:
        return None
    if source.given is None:
        return source.decode(points)
    return np.stack([source.decode(points, k) for k in array("shown_classes")[:MOST_PLANES]])


def plane_of_codes(source: Source, array: Lookup) -> Any:
    """Decode the square that holds the codes, whatever the prior is; None unless there are two dimensions."""
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts.figures import plane_tiles

    if array("latents").shape[1] != 2:
        return None
    low, high = array("plane_ends")
    points = geometry.plane(np.linspace(0, 1, plane_tiles(source.test.images.shape[2])))
    return _decoded_plane(source, array, (low + (high - low) * points).astype(np.float32))


def shown_dimensions(_: Source, array: Lookup) -> list[int]:
    """Return the active latent dimensions in the order of `by_kl`; the first one if none is active."""
    active, order = array("active"), array("kl_order")
    return [k for k in order if active[k]] or order[:1]


def traversal(source: Source, array: Lookup) -> Any:
    """Return a row of decoded images for each shown dimension; None without a prior, or if z lies on a sphere."""
    if source.decode is None or source.sample is None or source.on_sphere:
        return None
    coordinates = array("traversal_coordinates")
    z = geometry.one_at_a_time(array("traversal_dimensions"), coordinates, array("latents").shape[1])
    images = source.decode(z, *array("traversal_given"))
    return images.reshape(-1, len(coordinates), *images.shape[1:])


def _class_number(given: str | int, names: Sequence[str], present: Sequence[int]) -> int:
    """Return the number of a class that is given by its name, or by its number as text or not, and has test images."""
    text = str(given)
    number = names.index(text) if given in names else int(text) if text.isdecimal() else -1
    if number not in present:
        known = listed([names[k] for k in present])
        raise InputError(f"--numbers: {shown(text)}: no such class among the test images; choices: {known}")
    return number


def walk_ends(source: Source, array: Lookup) -> Any:
    """Return (name, latent point, label) of both ends: class means if there are labels, else two random test images."""
    latents, request = array("latents"), source.request
    if request.images is None and source.class_names:
        present = np.unique(source.test.labels).tolist()
        chosen = (present[3], present[7]) if len(present) > 7 else (present[0], present[-1])
        if request.numbers is not None:
            chosen = [_class_number(text, source.class_names, present) for text in request.numbers]
        ends = [
            (f"the mean of {source.class_names[k]}", latents[source.test.labels == k].mean(axis=0), k) for k in chosen
        ]
        return [_named_given(source, *end) for end in ends]
    if request.numbers is not None:
        raise InputError(
            f"--numbers={request.numbers[0]},{request.numbers[1]}: the images have no labels; try --images=0,1"
        )
    chosen = request.images or tuple(random_rows(source)[[0, -1]].tolist())
    if not all(0 <= i < len(latents) for i in chosen):
        raise InputError(f"--images={chosen[0]},{chosen[1]}: the test images are 0 to {len(latents) - 1}")
    return [_named_given(source, f"image {i}", latents[i], int(source.test.labels[i])) for i in chosen]


def _named_given(source: Source, name: str, point: Any, label: int) -> tuple[str, Any, int]:
    """Return an end of the walk; of a conditional model its name says with which class its half of the walk is decoded."""
    return name if source.given is None else f"{name} (given {source.class_names[label]})", point, label


def walk(steps: Callable[..., Any]) -> Compute:
    """Make a function that decodes the walk (start, end, n) -> points between the two ends."""

    def decoded(source: Source, array: Lookup) -> Any:
        if source.decode is None:
            return None
        points = steps(*(point for _, point, _ in array("walk_ends")), WALK_STEPS)
        if source.given is None:
            return source.decode(points)
        return source.decode(points, np.repeat([label for _, _, label in array("walk_ends")], WALK_STEPS // 2))

    return decoded
