"""Decoded points of latent space: the plane of two dimensions, a walk, one dimension after another."""

import math

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.grid import (
    DPI,
    GUTTER,
    MARGIN,
    WIDTH,
    Images,
    beside,
    framed,
    grid,
    label_room,
    label_rows,
)
from vae_jax.artifacts.figures.text import shortened, wrapped

LINE = 80
"""The most characters in a line of a title."""
HEADINGS = 100
"""The screen pixels above a picture with column headings under its title."""


def fig_manifold(manifold_even: Images, manifold_quantile: Images) -> Figure:
    """Draw the decoded plane twice, at equal steps and at equal prior probability, each [n*n, H, W, C] in reading order.

    In both, z1 grows to the right and z2 upwards.
    """
    pictures = []
    for images in (manifold_even, manifold_quantile):
        n = math.isqrt(len(images))
        rows = [images[i : i + n] for i in range(0, len(images), n)]
        pictures.append(grid(rows, n, (WIDTH - 2 * MARGIN - GUTTER) // 2, dark=True))
    figure = framed(beside(*pictures), "The latent plane, decoded", MARGIN, HEADINGS)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    headings = ("equal steps, z1 and z2 from −3 to 3", "equal probability under the prior")
    for side, heading in zip((-1, 1), headings, strict=True):
        x = 0.5 + side * (pictures[0].shape[1] + GUTTER) / (2 * width)
        figure.text(x, 1 - (HEADINGS - 14) / height, heading, ha="center", va="center", fontsize=9)
    return figure


def fig_walk(walk_straight: Images, walk_spherical: Images, walk_names: tuple[str, ...]) -> Figure:
    """Draw two walks [n, H, W, C] between the same two latent points: on the straight line, and on an arc around the origin."""
    label = 170
    picture = grid([walk_straight, walk_spherical], len(walk_straight), WIDTH - label - MARGIN)
    start, end = (shortened(walk_names[i], 2 * LINE // 3) for i in (0, -1))
    title = wrapped(f"A walk in latent space: from {start} to {end}", LINE, lines=2)
    figure = framed(picture, title, left=label)
    label_rows(figure, picture, ["straight line", "spherical"], label)
    return figure


def fig_traversal(
    traversal: Float[np.ndarray, "rows n H W C"],
    traversal_dimensions: list[int],
    traversal_coordinates: Float[np.ndarray, " n"],
    active: Bool[np.ndarray, " Z"],
) -> Figure:
    """Draw a row for each latent dimension, most active first: it takes the coordinates, all others are zero."""
    names = [f"z{k + 1}" + ("" if active[k] else " (inactive)") for k in traversal_dimensions]
    label, columns = label_room(names), len(traversal_coordinates)
    picture = grid(list(traversal), columns, WIDTH * 3 // 4 - label - MARGIN)
    title = "One latent dimension at a time, most active first"
    figure = framed(picture, title, left=label, top=HEADINGS)
    label_rows(figure, picture, names, label, top=HEADINGS)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    for j, value in enumerate(traversal_coordinates):
        x = (label + (j + 0.5) * picture.shape[1] / columns) / width
        figure.text(
            x, 1 - (HEADINGS - 14) / height, f"{value:.1f}".replace("-", "−"), ha="center", va="center", fontsize=8
        )
    return figure
