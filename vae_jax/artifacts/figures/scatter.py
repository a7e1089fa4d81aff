"""The latent space as a cloud of points, one per image, coloured and named by class."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text

from vae_jax.artifacts.figures.colours import PALETTE, class_colours
from vae_jax.artifacts.figures.text import MOST_NAMES, wrapped

LEADER = 14.0  # points; a name farther than this from its class gets a line to it
FEW = 150
"""The most images whose points no name covers; of more images, names may cover some."""
DOT = 6.0  # points; the room of an image's dot


def fig_latent_scatter(
    points: Float[np.ndarray, "N 2"],
    axis_names: tuple[str, str],
    labels: Int32[np.ndarray, " N"],
    class_names: tuple[str, ...],
) -> Figure:
    """Draw test images as points in two latent directions, to the same scale; axis_names name the directions.

    labels index class_names; without names all points are one colour. A class's name is written at its median, for
    up to 30 classes. Up to 10 classes take a colour-blind-safe palette, more take one even ramp. Points that are not finite
    are left out.
    """
    labels, colours = np.asarray(labels), class_colours(len(class_names))
    title = "Test images in latent space" + (", by class" if class_names else "")
    figure, axes, kept = cloud(points, axis_names, colours[labels] if class_names else None, title)
    if 0 < len(class_names) <= MOST_NAMES and len(kept):
        name_classes(figure, axes, np.asarray(points, float)[kept], labels[kept], class_names, colours)
    return figure


def cloud(
    points: Float[np.ndarray, "N 2"],
    axis_names: tuple[str, str],
    colours: Float[np.ndarray, "N 4"] | None,
    title: str,
    quiet: Bool[np.ndarray, " N"] | None = None,
) -> tuple[Figure, Axes, Int[np.ndarray, " M"]]:
    """Draw points in their colours, to the same scale in both directions; `quiet` ones are paler, and beneath the others.

    Returns:
        (the figure, its axes, the rows of the points that are finite, in the order in which they are drawn).
    """
    points = np.asarray(points, float)
    kept = np.flatnonzero(np.isfinite(points).all(1))
    # Without shuffling the last class would lie on top of all others.
    kept = np.random.default_rng(0).permutation(kept)
    figure = Figure(figsize=(6.4, 5.6), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.add_subplot()
    size: Any
    alpha: Any
    size, alpha = np.clip(8000 / max(len(kept), 1), 4, 20), 0.45 if len(kept) > 1000 else 0.7
    drawn: Any = PALETTE[0] if colours is None else colours[kept]
    if colours is not None and quiet is not None and quiet.any():
        kept = kept[np.argsort(~quiet[kept], kind="stable")]
        pale = quiet[kept]
        size, alpha, drawn = np.where(pale, size, np.maximum(size, 16)), None, colours[kept]
        drawn[:, 3] = np.where(pale, 0.25, 0.9)
    axes.scatter(points[kept, 0], points[kept, 1], s=size, c=drawn, alpha=alpha, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(axis_names[0], fontsize=10)
    axes.set_ylabel(axis_names[1], fontsize=10)
    axes.tick_params(labelsize=8)
    return figure, axes, kept


def name_classes(
    figure: Figure,
    axes: Axes,
    points: Float[np.ndarray, "N 2"],
    labels: Int[np.ndarray, " N"],
    class_names: tuple[str, ...],
    colours: Float[np.ndarray, "K 4"],
) -> None:
    """Write every class's name at its median, in its colour darkened, beside other names, and beside the points of few images."""
    present = [k for k in range(len(class_names)) if (labels == k).any()]
    font = 12 if max(len(class_names[k]) for k in present) <= 2 else 9
    names = [
        axes.annotate(
            wrapped(class_names[k], 20, 2),
            np.median(points[labels == k], axis=0).tolist(),
            (0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=font,
            fontweight="bold",
            color=tuple(0.6 * colours[k][:3]),
            path_effects=[withStroke(linewidth=3, foreground="white")],
            arrowprops={"arrowstyle": "-", "color": "0.3", "linewidth": 0.6, "shrinkB": 0},
        )
        for k in present
    ]
    figure.draw_without_rendering()  # only now are the layout, the limits and the sizes of the names final
    _part(figure, axes, names, points[:0] if len(points) > FEW else points)


def _part(figure: Figure, axes: Axes, names: list[Annotation], dots: Float[np.ndarray, "n 2"]) -> None:
    """Move names off each other and off the dots; a name far from its median keeps the line to it."""
    to_points = 72 / figure.dpi
    anchors = axes.transData.transform([name.xy for name in names]) * to_points
    sizes = np.array([Text.get_window_extent(name).size for name in names]) * to_points + 1
    window = axes.get_window_extent().get_points() * to_points
    places = _apart(anchors, sizes, axes.transData.transform(dots) * to_points, window)
    for name, offset in zip(names, places - anchors, strict=True):
        name.xyann = tuple(offset)
        if name.arrow_patch is not None:
            name.arrow_patch.set_visible(bool(np.hypot(*offset) > LEADER))


def _apart(
    anchors: Float[np.ndarray, "K 2"],
    sizes: Float[np.ndarray, "K 2"],
    dots: Float[np.ndarray, "n 2"],
    window: Float[np.ndarray, "2 2"],
) -> Float[np.ndarray, "K 2"]:
    """Return a centre for each name: the nearest to its anchor where its box covers no earlier name and no dot.

    A name stays in the window (its low and high corner) unless the window is full.
    """
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False) + np.pi / 2  # above first: names are wide and low
    rings = np.arange(0, 500, 2)[:, None, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    taken, room = dots, np.full(dots.shape, DOT)
    for anchor, size in zip(anchors, sizes, strict=True):
        centres = anchor + rings.reshape(-1, 2)
        covers = (np.abs(centres[:, None] - taken) < (size + room) / 2).all(-1).any(1)
        inside = ((centres - size / 2 >= window[0]) & (centres + size / 2 <= window[1])).all(1)
        taken = np.concatenate([taken, centres[[(2 * covers + ~inside).argmin()]]])
        room = np.concatenate([room, size[None]])
    return taken[len(dots) :]
