"""The codes of test images over the decoded plane of two latent dimensions."""

import math

import numpy as np
from jaxtyping import Float, Int32
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import PALETTE, class_colours
from vae_jax.artifacts.figures.grid import DPI, grid
from vae_jax.artifacts.figures.pixels import mark_images
from vae_jax.artifacts.figures.scatter import name_classes
from vae_jax.artifacts.figures.text import MOST_NAMES, plain, shortened

STRENGTH = 0.4
"""The strength of the decoded tiles under the points; white is the rest."""
SIDE = 960
MOST_POINTS, FEW = 2500, 1000
"""The most points, chosen at random, which must leave the tiles visible; and the most whose edges are white."""


def fig_plane(
    plane_tiles: Float[np.ndarray, "P H W C"] | Float[np.ndarray, "Y P H W C"],
    plane_ends: Float[np.ndarray, "2 2"],
    plane_classes: tuple[str, ...],
    points: Float[np.ndarray, "N 2"],
    axis_names: tuple[str, str],
    labels: Int32[np.ndarray, " N"],
    class_names: tuple[str, ...],
) -> Figure | list[Figure]:
    """Draw the codes as points over the decoded plane, whose tiles stand at their coordinates.

    The tiles f32 [n*n, H, W, C] are in reading order; the centres of the outer ones are at plane_ends, the low and the high
    end of both axes. Codes beyond the tiles are left out; of more than 2,500 codes, random ones are drawn. Of a conditional
    model there is a page for each class of plane_classes, with the codes of that class over the plane given it.
    """
    if not plane_classes:
        return _page(plane_tiles, plane_ends, points, axis_names, labels, class_names, "")
    pages = []
    for tiles, name in zip(plane_tiles, plane_classes, strict=True):
        own = labels == class_names.index(name)
        given = f", given class {plain(shortened(name, 30))}"
        pages.append(_page(tiles, plane_ends, points[own], axis_names, labels[own], class_names, given))
    return pages


def _page(
    tiles: Float[np.ndarray, "P H W C"],
    ends: Float[np.ndarray, "2 2"],
    points: Float[np.ndarray, "N 2"],
    axis_names: tuple[str, str],
    labels: Int32[np.ndarray, " N"],
    class_names: tuple[str, ...],
    given: str,
) -> Figure:
    size = math.isqrt(len(tiles))
    half = (ends[1] - ends[0]) / (size - 1) / 2
    (left, low), (right, high) = ends[0] - half, ends[1] + half
    picture = grid([tiles[i : i + size] for i in range(0, len(tiles), size)], size, SIDE, dark=True)
    figure = Figure(figsize=(7.2, 7), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.add_subplot()
    faded = 1 - STRENGTH * (1 - picture)
    axes.imshow(faded, extent=(left, right, low, high), interpolation="antialiased", aspect="auto")
    inside = ((points >= (left, low)) & (points <= (right, high))).all(axis=1)  # false for what is not finite
    order = np.random.default_rng(0).permutation(np.flatnonzero(inside))[:MOST_POINTS]
    colours = class_colours(len(class_names))[labels[order]] if class_names else PALETTE[0]
    area = np.clip(12000 / max(len(order), 1), 5, 22)
    axes.scatter(*points[order].T, s=area, c=colours, edgecolors="white", linewidths=0.25 if len(order) <= FEW else 0)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.set_box_aspect((high - low) / (right - left) * picture.shape[0] / picture.shape[1])
    axes.set_title(f"Codes of {len(order):,} test images over the decoded plane{given}", fontsize=12)
    axes.set_xlabel(axis_names[0], fontsize=9)
    axes.set_ylabel(axis_names[1], fontsize=9)
    axes.tick_params(labelsize=8)
    if not given and 0 < len(class_names) <= MOST_NAMES and len(order):
        name_classes(figure, axes, points[order], labels[order], class_names, class_colours(len(class_names)))
    mark_images(axes, [(0.0, 0.0, 1.0, 1.0)])
    return figure
