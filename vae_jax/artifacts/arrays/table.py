"""Arrays by name, each computed once and on request, from a trained model and its test split."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.artifacts.arrays import geometry, normality, tsne
from vae_jax.artifacts.arrays.rows import example_rows, in_turn, random_rows
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError, shown
from vae_jax.evaluation.per_image import activity, is_active

NUM_SAMPLES = 64
WALK_STEPS = 10
TRAVERSAL_STEPS = 11
MOST_TRAVERSED = 20
MOST_NAMED = 20
"""The most classes that an error names."""


Lookup = Callable[[str], Any]


def _manifold(coordinates: Callable[[int, Lookup], Float[np.ndarray, " n"]]) -> Callable[[Source, Lookup], Any]:
    def decoded(source: Source, array: Lookup) -> Any:
        # Here, not above: matplotlib is a large part of the start-up time.
        from vae_jax.artifacts.figures import plane_tiles

        if source.decode is None or not source.standard_prior or array("latents").shape[1] != 2:
            return None
        return source.decode(geometry.plane(coordinates(plane_tiles(source.test.images.shape[2]), array)))

    return decoded


def _shown_dimensions(_: Source, array: Lookup) -> list[int]:
    """Return the active latent dimensions in the order of `by_kl`; the first one if none is active."""
    active, order = array("active"), array("kl_order")
    return [k for k in order if active[k]] or order[:1]


def _traversal(source: Source, array: Lookup) -> Any:
    if source.decode is None or source.sample is None:
        return None
    coordinates = array("traversal_coordinates")
    z = geometry.one_at_a_time(array("traversal_dimensions"), coordinates, array("latents").shape[1])
    images = source.decode(z)
    return images.reshape(-1, len(coordinates), *images.shape[1:])


def _class_number(text: str, names: Sequence[str], present: Sequence[int]) -> int:
    """Return the number of a class that is given by its name or its number, and has test images."""
    number = names.index(text) if text in names else int(text) if text.isdecimal() else -1
    if number not in present:
        known = ", ".join(names[k] for k in present[:MOST_NAMED]) + ", ..." * (len(present) > MOST_NAMED)
        raise InputError(f"--numbers: {shown(text)}: no such class among the test images; choices: {known}")
    return number


def _walk_ends(source: Source, array: Lookup) -> Any:
    """Return (name, latent point) of both ends: class means if there are labels, else two random test images."""
    latents, request = array("latents"), source.request
    if request.images is None and source.class_names:
        present = np.unique(source.test.labels).tolist()
        chosen = (present[3], present[7]) if len(present) > 7 else (present[0], present[-1])
        if request.numbers is not None:
            chosen = [_class_number(text, source.class_names, present) for text in request.numbers]
        return [(f"the mean of {source.class_names[k]}", latents[source.test.labels == k].mean(axis=0)) for k in chosen]
    if request.numbers is not None:
        raise InputError(
            f"--numbers={request.numbers[0]},{request.numbers[1]}: the images have no labels; try --images=0,1"
        )
    chosen = request.images or tuple(random_rows(source)[[0, -1]].tolist())
    if not all(0 <= i < len(latents) for i in chosen):
        raise InputError(f"--images={chosen[0]},{chosen[1]}: the test images are 0 to {len(latents) - 1}")
    return [(f"image {i}", latents[i]) for i in chosen]


def _walk(steps: Callable[..., Any]) -> Callable[[Source, Lookup], Any]:
    def decoded(source: Source, array: Lookup) -> Any:
        if source.decode is None:
            return None
        return source.decode(steps(*(point for _, point in array("walk_ends")), WALK_STEPS))

    return decoded


def _tsne_rows(source: Source, _: Lookup) -> Any:
    rows = random_rows(source, source.request.points)
    rows = rows[in_turn(source.test.labels[rows])] if source.class_names else rows
    return rows if len(rows) > 3 else None


def _of_rows(values: Callable[[Source, Lookup, Any], Any]) -> Callable[[Source, Lookup], Any]:
    """Make a function that computes values(source, array, rows), with the rows of the test images that t-SNE shows."""
    return lambda source, array: None if array("tsne_rows") is None else values(source, array, array("tsne_rows"))


def _film(source: Source, _: Lookup) -> Any:
    """Return (steps, points [F, M, 2], rows, axis names): all frames on the axes of the last one."""
    film = source.film and source.film()
    if not film:
        return None
    steps, latents, rows = film
    (centre, axes), names = geometry.principal_axes(latents[-1])
    return steps, ((latents - centre) @ axes).astype(np.float32), rows, names


def _part(name: str, index: int) -> Callable[[Source, Lookup], Any]:
    return lambda _, array: None if array(name) is None else array(name)[index]


def _from(name: str, compute: Callable[[Any], Any]) -> Callable[[Source, Lookup], Any]:
    return lambda _, array: None if array(name) is None else compute(array(name))


ARRAYS: dict[str, Callable[[Source, Lookup], Any]] = {
    "history": lambda source, _: source.history or None,
    "originals": lambda source, _: unit(source.test.images[example_rows(source)]),
    "corrupted": lambda source, _: (
        source.corrupt and source.corrupt(source.test.images[example_rows(source)], source.seed)
    ),
    "reconstructions": lambda source, array: source.reconstruct(
        array("corrupted") if source.corrupt else source.test.images[example_rows(source)]
    ),
    "samples": lambda source, _: source.sample and source.sample(NUM_SAMPLES, source.seed),
    "latents": lambda source, _: source.latents(source.test.images),
    "projection": lambda _, array: geometry.project(array("latents")),
    "points": _part("projection", 0),
    "axis_names": _part("projection", 1),
    "labels": lambda source, _: source.test.labels,
    "class_names": lambda source, _: source.class_names,
    "manifold_reach": lambda _, array: geometry.reach_of(array("latents")),
    "manifold_even": _manifold(lambda n, array: geometry.even_coordinates(n, array("manifold_reach"))),
    "manifold_quantile": _manifold(lambda n, _: geometry.quantile_coordinates(n)),
    "active": lambda _, array: is_active(activity(array("latents"))),
    "kl_per_dimension": lambda source, _: (
        source.kl_terms(source.test.images).mean(axis=0, dtype=np.float64)
        if source.kl_terms and source.kl_of_dimensions
        else None
    ),
    "kl_names": lambda source, _: source.kl_names or None,
    "kl_order": lambda _, array: geometry.by_kl(array("latents"), array("kl_per_dimension")),
    "shown_dimensions": _shown_dimensions,
    "traversal_dimensions": lambda _, array: array("shown_dimensions")[:MOST_TRAVERSED],
    "traversal_coordinates": lambda *_: geometry.even_coordinates(TRAVERSAL_STEPS),
    "traversal": _traversal,
    "walk_ends": _walk_ends,
    "walk_names": lambda _, array: tuple(name for name, _ in array("walk_ends")),
    "walk_straight": _walk(geometry.straight_walk),
    "walk_spherical": _walk(geometry.spherical_walk),
    "tsne_rows": _tsne_rows,
    "tsne_points": _of_rows(
        lambda source, array, rows: tsne.embed(array("latents")[rows], source.seed, source.progress)
    ),
    "tsne_labels": _of_rows(lambda source, _, rows: source.test.labels[rows]),
    "tsne_images": _of_rows(lambda source, _, rows: unit(source.test.images[rows])),
    "posterior_samples": lambda source, _: (
        source.sample_posterior(source.test.images, source.seed)
        if source.sample_posterior and source.standard_prior
        else None
    ),
    "quantiles": _from("posterior_samples", normality.quantiles),
    "normal_quantiles": _part("quantiles", 0),
    "sample_quantiles": _part("quantiles", 1),
    "qq_band": _from("posterior_samples", lambda z: normality.band(len(z))),
    "ks_distances": _from("posterior_samples", normality.ks_distances),
    "ks_bound": _from("posterior_samples", lambda z: normality.ks_bound(len(z))),
    "film": _film,
    "film_steps": _part("film", 0),
    "film_points": _part("film", 1),
    "film_labels": lambda source, array: None if array("film") is None else source.test.labels[array("film")[2]],
    "film_axis_names": _part("film", 3),
}
"""Name -> function (source, lookup of the other arrays) -> array, or None if the run has no such array."""
