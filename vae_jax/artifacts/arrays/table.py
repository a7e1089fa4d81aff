"""Arrays by name, each computed once and on request, from a trained model and its test split."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vae_jax.artifacts.arrays import geometry, normality, tsne
from vae_jax.artifacts.arrays.decoded import (
    MOST_PLANES,
    MOST_SAMPLED,
    Lookup,
    manifold,
    names_given,
    samples,
    shown_dimensions,
    traversal,
    walk,
    walk_ends,
)
from vae_jax.artifacts.arrays.rows import example_rows, in_turn, random_rows
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.preprocess import unit
from vae_jax.evaluation.per_image import activity, is_active

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
        array("corrupted") if source.corrupt else source.test.images[example_rows(source)],
        *source.labels_of(example_rows(source)),
    ),
    "shown_classes": lambda source, _: np.unique(source.test.labels).tolist(),
    "samples": samples,
    "sample_classes": names_given(MOST_SAMPLED),
    "latents": lambda source, _: source.latents(source.test.images, *source.labels_of()),
    "projection": lambda _, array: geometry.project(array("latents")),
    "points": _part("projection", 0),
    "axis_names": _part("projection", 1),
    "labels": lambda source, _: source.test.labels,
    "class_names": lambda source, _: source.class_names,
    "manifold_reach": lambda _, array: geometry.reach_of(array("latents")),
    "manifold_even": manifold(lambda n, array: geometry.even_coordinates(n, array("manifold_reach"))),
    "manifold_classes": names_given(MOST_PLANES),
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
