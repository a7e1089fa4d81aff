"""t-SNE of the latents: a map of the test images, some of them shown at their points."""

import numpy as np
from jaxtyping import Float, Int, Int32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from vae_jax.artifacts.figures.colours import class_colours, name_colours
from vae_jax.artifacts.figures.grid import Images, as_rgb, resized
from vae_jax.artifacts.figures.pixels import mark_images

THUMBNAIL = 34
"""The most screen pixels of a thumbnail's side. An image's pixel is a whole number of screen pixels, or the reverse."""
FRAME = 4
MOST_THUMBNAILS = 150


def fig_tsne(
    tsne_points: Float[np.ndarray, "N 2"],
    tsne_labels: Int32[np.ndarray, " N"],
    tsne_images: Images,
    class_names: tuple[str, ...],
) -> Figure:
    """Draw every image as a point in its class's colour, and as many images as fit without overlap, framed in that colour.

    Earlier images take their places first. Without class names all points are one colour. Points that are not finite are left
    out.
    """
    kept = np.flatnonzero(np.isfinite(tsne_points).all(1))
    points, labels = np.asarray(tsne_points, float)[kept], tsne_labels[kept]
    colours = class_colours(len(class_names))[labels] if class_names else np.tile(class_colours(1)[:1], (len(kept), 1))
    figure = Figure(figsize=(8, 7), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.add_subplot()
    size = np.clip(12000 / max(len(points), 1), 3, 20)
    # Without shuffling the last class would lie on top of all others.
    mixed = np.random.default_rng(0).permutation(len(points))
    axes.scatter(points[mixed, 0], points[mixed, 1], s=size, c=colours[mixed], linewidths=0)
    axes.margins(0.03)
    axes.set_title(f"t-SNE of the latents of {len(points):,} test images", fontsize=12)
    axes.set_xlabel("t-SNE 1 (no unit: only who is near whom has a meaning)", fontsize=9)
    axes.set_ylabel("t-SNE 2", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    name_colours(figure, labels, class_names)
    figure.draw_without_rendering()  # only now are the layout and the limits final
    _add_thumbnails(figure, axes, points, as_rgb(tsne_images)[kept], colours)
    return figure


def _add_thumbnails(
    figure: Figure,
    axes: Axes,
    points: Float[np.ndarray, "N 2"],
    images: Float[np.ndarray, "N H W 3"],
    colours: Float[np.ndarray, "N 4"],
) -> None:
    _, high, wide, _ = images.shape
    images = resized(images, max(1, THUMBNAIL * wide // max(high, wide)))[:, :THUMBNAIL]
    places, size = axes.transData.transform(points), np.array(images.shape[2:0:-1]) * 1.0
    (left, low), (right, top) = axes.get_window_extent().get_points()
    whole, boxes = np.array([right - left, top - low]), []
    for i in _apart(places, size + 2 * FRAME + 1, axes):
        corner = (np.array([places[i, 0] - left, top - places[i, 1]]) - size / 2) / whole
        boxes.append((*corner.tolist(), *(size / whole).tolist()))
        picture = np.tile(colours[i, :3], (images.shape[1] + 2 * FRAME, images.shape[2] + 2 * FRAME, 1))
        picture[FRAME:-FRAME, FRAME:-FRAME] = images[i]
        # An OffsetImage's zoom is in points per pixel of the image: here a pixel is a pixel of the screen.
        image = OffsetImage(picture, zoom=72 / figure.dpi, interpolation="nearest")
        axes.add_artist(AnnotationBbox(image, (points[i, 0], points[i, 1]), frameon=False, pad=0))
    mark_images(axes, boxes)


def _apart(places: Float[np.ndarray, "N 2"], size: Float[np.ndarray, " 2"], axes: Axes) -> Int[np.ndarray, " n"]:
    """Return the first points whose boxes, in screen pixels, overlap no earlier one and are within the axes."""
    low, high = axes.get_window_extent().get_points()
    chosen: list[int] = []
    for i, place in enumerate(places):
        inside = (place - size / 2 >= low).all() and (place + size / 2 <= high).all()
        if inside and not (np.abs(places[chosen] - place) < size).all(1).any():
            chosen.append(i)
        if len(chosen) == MOST_THUMBNAILS:
            break
    return np.array(chosen, int)
