"""The latent space while it is learned, as an animated GIF."""

import io
from collections.abc import Callable
from itertools import accumulate

import numpy as np
from jaxtyping import Float, Int32, UInt8
from matplotlib.figure import Figure
from PIL import Image

from vae_jax.artifacts.figures.colours import PALETTE, class_colours, name_colours
from vae_jax.artifacts.figures.files import rgb

FRAMES_PER_SECOND = 15
LAST_FRAME = 2000
"""The milliseconds for which the last frame stays."""
MOST_FRAMES = 300
"""The most frames, 20 seconds; of more frames, this many evenly spaced ones are shown."""
COLOURS = 64


def gif_animation(
    film_steps: list[int],
    film_points: Float[np.ndarray, "F M 2"],
    film_labels: Int32[np.ndarray, " M"],
    film_axis_names: tuple[str, str],
    class_names: tuple[str, ...],
) -> bytes:
    """Draw the same test images as points, on the same axes in every frame; the title holds the training step.

    There are 15 frames per second. The axes hold 99% of all finite points.
    """
    shown = np.unique(np.linspace(0, len(film_steps) - 1, min(len(film_steps), MOST_FRAMES)).round().astype(int))
    figure, move = _stage(film_points, film_labels, film_axis_names, class_names)
    pixels = []
    for i in shown:
        move(film_points[i], film_steps[i])
        pixels.append(rgb(figure))
    # One palette, the last frame's: a palette for each frame would make the colours flicker.
    palette = _palette(pixels[-1])
    pictures = [_indexed(frame, palette) for frame in pixels]
    buffer = io.BytesIO()
    durations = _durations(len(pictures))
    pictures[0].save(
        buffer, "gif", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()


def _palette(pixels: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "K 3"]:
    """Return the colours that fit a picture best, white among them."""
    best = Image.fromarray(pixels).quantize(COLOURS - 1, Image.Quantize.MEDIANCUT).getpalette()
    return np.array([255, 255, 255, *(best or [])], np.uint8).reshape(-1, 3)


def _indexed(pixels: UInt8[np.ndarray, "H W 3"], palette: UInt8[np.ndarray, "K 3"]) -> Image.Image:
    """Return the picture with every pixel in the palette's nearest colour; Pillow's own search makes white grey."""
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    colours, index = np.unique(packed, return_inverse=True)
    parts = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    nearest = ((parts[:, None] - palette[None].astype(np.int32)) ** 2).sum(-1).argmin(1).astype(np.uint8)
    image = Image.fromarray(nearest[index].reshape(pixels.shape[:2]), "P")
    image.putpalette(palette.tobytes())
    return image


def _stage(
    points: Float[np.ndarray, "F M 2"],
    labels: Int32[np.ndarray, " M"],
    axis_names: tuple[str, str],
    class_names: tuple[str, ...],
) -> tuple[Figure, Callable[[Float[np.ndarray, "M 2"], int], None]]:
    """Return the empty figure, and a function (points, step) that moves the points to their places at that step."""
    figure = Figure(figsize=(6, 5.4), dpi=100)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    axes = figure.add_subplot()
    order = np.random.default_rng(0).permutation(len(labels))
    colours = class_colours(len(class_names))[labels[order]] if class_names else PALETTE[0]
    dots = axes.scatter(*np.zeros((2, len(order))), s=np.clip(8000 / len(order), 4, 20), c=colours, linewidths=0)
    name_colours(figure, labels, class_names)
    low, high = np.nanpercentile(np.where(np.isfinite(points), points, np.nan).reshape(-1, 2), [0.5, 99.5], axis=0)
    reach = max(1.15 * (high - low).max() / 2, 1e-3)
    for axis, centre in zip((axes.set_xlim, axes.set_ylim), (low + high) / 2, strict=True):
        axis(centre - reach, centre + reach)
    axes.set_aspect("equal")
    axes.set_xlabel(axis_names[0], fontsize=9)
    axes.set_ylabel(axis_names[1], fontsize=9)
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=5)  # the numbers of a collapsed latent space are long

    def move(where: Float[np.ndarray, "M 2"], step: int) -> None:
        dots.set_offsets(where[order])
        axes.set_title(f"Test images in latent space, step {step:,}", fontsize=10)

    move(points[-1], 1000)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once: else the axes would tremble with the width of the title
    return figure, move


def _durations(frames: int) -> list[int]:
    """Return the milliseconds of each frame. A GIF counts hundredths of a second: 7, 7 and 6 make 15 frames per second."""
    ends = [round(end / 10) * 10 for end in accumulate([1000 / FRAMES_PER_SECOND] * frames)]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return [*lengths[:-1], LAST_FRAME]
