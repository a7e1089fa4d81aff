"""Decoded points of latent space: the plane of two dimensions, a walk, one dimension after another."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import QUIET
from vae_jax.artifacts.figures.grid import (
    DPI,
    GUTTER,
    LINE_HEIGHT,
    MARGIN,
    PANEL,
    WIDTH,
    Images,
    beside,
    framed,
    grid,
    label_room,
    label_rows,
)
from vae_jax.artifacts.figures.text import inactive_note, plain, shortened, wrapped

LINE = 80
"""The most characters in a line of a title."""
HEADINGS = 100
"""The screen pixels above a picture with column headings under its title."""
NOTE_CHARACTER, COORDINATE = 10, 50
"""The screen pixels of a character of a note, and of a column heading; over narrower columns only three are written."""
FEW_ROWS = 10
"""The most rows of a traversal of full width."""


def fig_manifold(
    manifold_even: Images | Float[np.ndarray, "Y N H W C"],
    manifold_quantile: Images | Float[np.ndarray, "Y N H W C"],
    manifold_reach: float,
    manifold_classes: tuple[str, ...] = (),
) -> Figure | list[Figure]:
    """Draw the decoded plane twice, at equal steps and at equal prior probability, each [n*n, H, W, C] in reading order.

    In both, z1 grows to the right and z2 upwards; at equal steps, both go from -manifold_reach to manifold_reach. Of a
    conditional model there is a page for each class, and the arrays have a first axis of classes.
    """
    if not manifold_classes:
        return _plane(manifold_even, manifold_quantile, manifold_reach, "The latent plane, decoded")
    titles = [f"The latent plane, decoded given class {shortened(name, LINE // 2)}" for name in manifold_classes]
    pairs = zip(manifold_even, manifold_quantile, titles, strict=True)
    return [_plane(even, quantile, manifold_reach, plain(title)) for even, quantile, title in pairs]


def _plane(even_steps: Images, quantiles: Images, reach: float, title: str) -> Figure:
    pictures = []
    for images in (even_steps, quantiles):
        n = math.isqrt(len(images))
        rows = [images[i : i + n] for i in range(0, len(images), n)]
        pictures.append(grid(rows, n, PANEL, dark=True))
    top = HEADINGS + LINE_HEIGHT
    figure = framed(beside(*pictures), title, MARGIN, top)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    even = f"equal steps over the codes\nz1 and z2 from −{reach:g} to {reach:g}"
    for side, heading in zip((-1, 1), (even, "equal probability\nunder the prior"), strict=True):
        x = 0.5 + side * (pictures[0].shape[1] + GUTTER) / (2 * width)
        figure.text(x, 1 - (top - 8) / height, heading, ha="center", va="bottom", fontsize=9)
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
    traversal_class: tuple[str, ...] = (),
    kl_per_dimension: Float[np.ndarray, " K"] | None = None,
) -> Figure:
    """Draw a row for each active latent dimension, largest KL first (without one, largest variance of the codes): it takes the
    coordinates, all others are zero.

    Of a conditional model all are decoded given one class, which the title names. A line says how many of the active dimensions
    are not drawn, and how many dimensions are inactive.
    """
    names = [f"z{k + 1}" + ("" if active[k] else " (inactive)") for k in traversal_dimensions]
    label, columns = label_room(names), len(traversal_coordinates)
    picture = grid(list(traversal), columns, few_or_many(len(names)) - label - MARGIN)
    note = wrapped(inactive_note(active, len(names)), picture.shape[1] // NOTE_CHARACTER, 3)
    bottom = MARGIN + LINE_HEIGHT * len(note.splitlines())
    title = f"One latent dimension at a time, largest {'variance' if kl_per_dimension is None else 'KL'} first"
    for name in traversal_class:
        title += f", given class {plain(shortened(name, LINE // 4))}"
    figure = framed(picture, title, label, HEADINGS, bottom)
    label_rows(figure, picture, names, label, top=HEADINGS)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    figure.text(label / width, (bottom - 10) / height, note, va="top", fontsize=8, color=QUIET)
    headings = [f"{value:.1f}".replace("-", "−") for value in traversal_coordinates]
    columns_named(figure, picture.shape[1], headings, label)
    return figure


def few_or_many(rows: int) -> int:
    """Return the width of a figure of so many rows of images: a smaller one of many rows, which is tall."""
    return WIDTH * (4 if rows <= FEW_ROWS else 3) // 4


def columns_named(figure: Figure, width: int, names: Sequence[str], left: int, top: int = HEADINGS) -> None:
    """Write a name above every column of a grid, or above the first, the middle and the last of narrow columns."""
    wide, high, columns = figure.get_figwidth() * DPI, figure.get_figheight() * DPI, len(names)
    apart = width // columns >= COORDINATE
    for j, name in enumerate(names):
        if apart or j in (0, columns // 2, columns - 1):
            x = (left + (j + 0.5) * width / columns) / wide
            figure.text(x, 1 - (top - 14) / high, name, ha="center", va="center", fontsize=8)
