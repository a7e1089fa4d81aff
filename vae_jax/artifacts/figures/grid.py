"""Many images as one picture, and a picture on a page. An image's pixels are whole squares of the screen."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.pixels import mark_images, rectangles
from vae_jax.artifacts.figures.text import wrapped

DPI = 150
WIDTH = 1200  # screen pixels; shown at 800 in a README, twice as fine as needed on most screens
TITLE = 70
MARGIN = 15
GAP = 0.8  # light grey: seen beside black and beside white backgrounds
DARK = 0.15
PAGE = np.nan  # white, and no part of an image

GUTTER = 20
PANEL = (WIDTH - 2 * MARGIN - GUTTER) // 2
"""The most screen pixels of a picture that stands beside another."""
SMALL, LARGE = 21, PANEL // 5 - 1
"""The widths up to which the decoded plane enlarges images, and from which it reduces them."""
TITLE_CHARACTER, CHARACTER, LINE_CHARACTER, LINE_HEIGHT, MOST_LABEL = 14, 12, 11, 24, 400
"""In screen pixels: the widths of a title's character, a label's and that of a label of several lines; the height of a line, and
the widest label."""

Images = Float[np.ndarray, "N H W C"]


def grid(
    rows: list[Float[np.ndarray, "_ H W C"]], columns: int, width: int, dark: bool = False
) -> Float[np.ndarray, "h w 3"]:
    """Return one picture of all rows, at the largest whole-number scale that is no wider than `width` screen pixels.

    Between images is a light gap, or a dark one of one pixel of an image, for images that continue each other.
    C = 3 is shown in colour, C = 1 in grey; other channel counts as the grey mean of their channels. NaN is the page.
    """
    own, room = rows[0].shape[2], width // columns
    rows = [resized(as_rgb(row), room * own // (own + 1) if dark else room - 2) for row in rows]
    _, height, wide, _ = rows[0].shape
    gap = max(1, wide // own) if dark else light_gap(wide)
    picture = np.full(
        (len(rows) * (height + gap) - gap, columns * (wide + gap) - gap, 3), DARK if dark else GAP, np.float32
    )
    for i, row in enumerate(rows):
        top = i * (height + gap)
        for j, image in enumerate(row):
            left = j * (wide + gap)
            picture[top : top + height, left : left + wide] = image
        picture[top : top + height + gap, len(row) * (wide + gap) :] = PAGE  # where the last row is short
    return picture


def light_gap(wide: int) -> int:
    """Return the screen pixels between images of this width in a grid that is not dark."""
    return max(2, round(0.03 * wide))


def plane_tiles(width: int) -> int:
    """Return the number of tiles along a side of the decoded plane: fewer of small images, which are shown enlarged."""
    shown = width // math.ceil(width / LARGE)
    return 13 if width <= SMALL else min(PANEL // (shown + 1), 20)


def page(height: int, width: int) -> Float[np.ndarray, "h w 3"]:
    """Return a picture of nothing but the page."""
    return np.full((height, width, 3), PAGE, np.float32)


def beside(*pictures: Float[np.ndarray, "h _ 3"]) -> Float[np.ndarray, "h w 3"]:
    """Return pictures of one height side by side, with the page between them."""
    first, *others = pictures
    parted = [part for other in others for part in (page(len(first), GUTTER), other)]
    return np.concatenate([first, *parted], axis=1)


def as_rgb(images: Images) -> Float[np.ndarray, "N H W 3"]:
    """Return images of any number of channels as colours in [0, 1]; pixels that are not finite are black."""
    images = np.clip(np.nan_to_num(np.asarray(images, np.float32)), 0, 1)
    return images if images.shape[-1] == 3 else np.repeat(images.mean(-1, keepdims=True), 3, -1)


def resized(images: Float[np.ndarray, "N H W 3"], width: int) -> Float[np.ndarray, "N h w 3"]:
    """Repeat each pixel to a whole square, or average whole blocks if an image is wider than `width`."""
    _, high, wide, _ = images.shape
    if wide <= width:
        return images.repeat(width // wide, 1).repeat(width // wide, 2)
    block = min(math.ceil(wide / width), high)
    h, w = high // block, wide // block
    return images[:, : h * block, : w * block].reshape(-1, h, block, w, block, 3).mean((2, 4))


def framed(
    picture: Float[np.ndarray, "h w 3"], title: str, left: int, top: int = TITLE, bottom: int = MARGIN
) -> Figure:
    """Make a figure that shows the picture at one screen pixel per pixel, with space for a title and for labels at the left.

    It is at least as wide as the title.
    """
    needed = TITLE_CHARACTER * max(map(len, title.split("\n"))) + 2 * MARGIN
    height, width = picture.shape[0] + top + bottom, max(picture.shape[1] + left + MARGIN, needed)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    start = left if left != MARGIN else (width - picture.shape[1]) / 2
    axes = figure.add_axes((start / width, bottom / height, picture.shape[1] / width, picture.shape[0] / height))
    # As bytes: matplotlib resamples floats with several copies of eight bytes a number.
    pixels = (np.nan_to_num(picture, nan=1.0) * 255).round().astype(np.uint8)
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    mark_images(axes, rectangles(~np.isnan(picture[..., 0])))
    axes.set_axis_off()
    figure.suptitle(title, fontsize=12, y=1 - 0.5 * TITLE / height, va="center")
    return figure


def label_room(names: Sequence[str]) -> int:
    """Return the screen pixels that the longest name needs at the left of a grid, on several lines if it is long."""
    return min(40 + CHARACTER * max(map(len, names)), MOST_LABEL)


def label_rows(
    figure: Figure, picture: Float[np.ndarray, "h w 3"], names: list[str], left: int, top: int = TITLE
) -> None:
    """Write a name at the left of every row of a framed grid, within `left` screen pixels."""
    row_height = picture.shape[0] / len(names)
    for i, name in enumerate(names):
        y = 1 - (top + (i + 0.5) * row_height) / (figure.get_figheight() * DPI)
        x = (left - 12) / (figure.get_figwidth() * DPI)
        text = wrapped(name, (left - 16) // LINE_CHARACTER, max(1, int(row_height // LINE_HEIGHT)))
        figure.text(x, y, text, ha="right", va="center", fontsize=9)
