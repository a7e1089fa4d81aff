"""Arrays by name, each computed once and on request, from a trained model and its test split."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vae_jax.artifacts.arrays import around, geometry, neighbours, normality, reconstruction_errors, sampled, tsne
from vae_jax.artifacts.arrays.decoded import (
    MOST_PLANES,
    manifold,
    plane_of_codes,
    shown_dimensions,
    traversal,
    walk,
    walk_ends,
)
from vae_jax.artifacts.arrays.lookups import Compute, Lookup, computed_from, part, parts
from vae_jax.artifacts.arrays.rows import example_rows, in_turn, random_rows
from vae_jax.artifacts.arrays.sampled import names_given
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.preprocess import unit
from vae_jax.evaluation.per_image import ACTIVE_VARIANCE, activity, is_active

TRAVERSAL_STEPS = 11
MOST_TRAVERSED = 20


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


def _activity(source: Source, array: Lookup) -> Any:
    """Return the variance of every dimension's code in each frame [F, Z], of a conditional model within classes."""
    film = source.film and source.film()
    if not film or not source.steps_per_epoch or len(film[0]) < 2:
        return None
    labels = None if source.given is None else source.given[film[2]]
    return np.array(film[0]) / source.steps_per_epoch, np.stack([activity(frame, labels) for frame in film[1]])


ARRAYS: dict[str, Compute] = {
    "history": lambda source, _: source.history or None,
    "originals": lambda source, _: unit(source.test.images[example_rows(source)]),
    "corrupted": lambda source, _: (
        source.corrupt and source.corrupt(source.test.images[example_rows(source)], source.seed)
    ),
    "reconstructions": lambda source, array: source.reconstruct(
        array("corrupted") if source.corrupt else source.test.images[example_rows(source)],
        *source.labels_of(example_rows(source)),
    ),
    "draws_pixels": lambda source, _: source.draws_pixels,
    "shown_classes": lambda source, _: np.unique(source.test.labels).tolist(),
    "latents": lambda source, _: source.latents(source.test.images, *source.labels_of()),
    "projection": lambda _, array: geometry.project(array("latents")),
    "points": part("projection", 0),
    "axis_names": part("projection", 1),
    "labels": lambda source, _: source.test.labels,
    "class_names": lambda source, _: source.class_names,
    "components": lambda source, array: source.component and source.component(array("latents"), *source.labels_of()),
    "num_components": lambda source, _: source.num_components,
    "manifold_reach": lambda _, array: geometry.reach_of(array("latents")),
    "manifold_even": manifold(lambda n, array: geometry.even_coordinates(n, array("manifold_reach"))),
    "manifold_classes": names_given(MOST_PLANES),
    "plane_ends": computed_from("latents", geometry.square_around),
    "plane_tiles": plane_of_codes,
    "plane_classes": names_given(MOST_PLANES),
    "manifold_quantile": manifold(lambda n, _: geometry.quantile_coordinates(n)),
    "active": lambda source, array: is_active(activity(array("latents"), source.given)),
    "kl_per_dimension": lambda source, _: (
        source.kl_terms(source.test.images, *source.labels_of()).mean(axis=0, dtype=np.float64)
        if source.kl_terms and source.kl_of_dimensions
        else None
    ),
    "kl_names": lambda source, _: source.kl_names or None,
    "kl_order": lambda _, array: geometry.by_kl(array("latents"), array("kl_per_dimension")),
    "shown_dimensions": shown_dimensions,
    "traversal_dimensions": lambda _, array: array("shown_dimensions")[:MOST_TRAVERSED],
    "traversal_coordinates": lambda *_: geometry.even_coordinates(TRAVERSAL_STEPS),
    "traversal_given": lambda source, array: () if source.given is None else (array("shown_classes")[0],),
    "traversal_class": names_given(1),
    "traversal": traversal,
    "walk_ends": walk_ends,
    "walk_names": lambda _, array: tuple(name for name, _, _ in array("walk_ends")),
    "walk_straight": walk(geometry.straight_walk),
    "walk_spherical": walk(geometry.spherical_walk),
    "tsne_rows": _tsne_rows,
    "tsne_points": _of_rows(
        lambda source, array, rows: tsne.embed(array("latents")[rows], source.seed, source.progress)
    ),
    "tsne_labels": _of_rows(lambda source, _, rows: source.test.labels[rows]),
    "tsne_images": _of_rows(lambda source, _, rows: unit(source.test.images[rows])),
    "posterior_samples": lambda source, _: (
        source.sample_posterior(source.test.images, source.seed, *source.labels_of())
        if source.sample_posterior and source.standard_prior
        else None
    ),
    "quantiles": computed_from("posterior_samples", normality.quantiles),
    "normal_quantiles": part("quantiles", 0),
    "sample_quantiles": part("quantiles", 1),
    "qq_band": computed_from("posterior_samples", lambda z: normality.band(len(z))),
    "ks_distances": computed_from("posterior_samples", normality.ks_distances),
    "ks_bound": computed_from("posterior_samples", lambda z: normality.ks_bound(len(z))),
    "film": _film,
    "film_steps": part("film", 0),
    "film_points": part("film", 1),
    "film_labels": lambda source, array: None if array("film") is None else source.test.labels[array("film")[2]],
    "film_axis_names": part("film", 3),
    "activity_frames": _activity,
    **parts("activity_frames", "activity_epochs", "activity_values"),
    "activity_bound": lambda *_: ACTIVE_VARIANCE,
    **around.ARRAYS,
    **neighbours.ARRAYS,
    **reconstruction_errors.ARRAYS,
    **sampled.ARRAYS,
}
"""Name -> function (source, lookup of the other arrays) -> array, or None if the run has no such array."""
