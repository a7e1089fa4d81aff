"""Grids of images: reconstructions under their originals, samples. Pixels are whole squares of the screen."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

DPI = 150
WIDTH = 1200  # screen pixels; shown at 800 in a README, twice as fine as needed on most screens
TITLE = 70
MARGIN = 15
LABEL = 200  # screen pixels for "reconstruction" at the left of a row
MOST_COLUMNS = 12
GAP = 0.8  # light grey: seen beside black and beside white backgrounds

Images = Float[np.ndarray, "N H W C"]


def fig_reconstructions(originals: Images, reconstructions: Images, corrupted: Images | None = None) -> Figure:
    """Originals above, what was encoded in their place (a denoiser), reconstructions below; more than 12 take further rows.

    All f32 [n, H, W, C], looked at in [0, 1].
    C = 3 is shown in colour, C = 1 in grey; other channel counts as the grey mean of their channels.
    """
    pairs = math.ceil(len(originals) / MOST_COLUMNS)
    columns = math.ceil(len(originals) / pairs)
    parts = {"original": originals, "noisy input": corrupted, "reconstruction": reconstructions}
    parts = {label: part for label, part in parts.items() if part is not None}
    rows = [part[i * columns : (i + 1) * columns] for i in range(pairs) for part in parts.values()]
    grid = _grid(rows, columns, WIDTH - LABEL - MARGIN)
    figure = _framed(grid, "Test images and their reconstructions", left=LABEL)
    row_height = grid.shape[0] / len(rows)
    for i in range(len(rows)):
        y = 1 - (TITLE + (i + 0.5) * row_height) / (figure.get_figheight() * DPI)
        x = (LABEL - 12) / (figure.get_figwidth() * DPI)
        figure.text(x, y, list(parts)[i % len(parts)], ha="right", va="center", fontsize=9)
    return figure


def fig_samples(samples: Images) -> Figure:
    """Samples f32 [n, H, W, C] in [0, 1] from the prior, as a square grid (64: 8 by 8), read row by row."""
    columns = math.ceil(math.sqrt(len(samples)))
    rows = [samples[i : i + columns] for i in range(0, len(samples), columns)]
    return _framed(_grid(rows, columns, WIDTH * 2 // 3), f"{len(samples)} samples from the prior", left=MARGIN)


def _grid(rows: list[Float[np.ndarray, "_ H W C"]], columns: int, width: int) -> Float[np.ndarray, "h w 3"]:
    """One picture of all rows, as near to `width` screen pixels as whole-number scaling comes without passing it."""
    rows = [_resized(_as_rgb(row), width // columns - 2) for row in rows]
    _, height, wide, _ = rows[0].shape
    gap = max(2, round(0.03 * wide))
    grid = np.full((len(rows) * (height + gap) - gap, columns * (wide + gap) - gap, 3), GAP, np.float32)
    for i, row in enumerate(rows):
        top = i * (height + gap)
        for j, image in enumerate(row):
            left = j * (wide + gap)
            grid[top : top + height, left : left + wide] = image
        grid[top : top + height + gap, len(row) * (wide + gap) :] = 1  # the page, where the last row is short
    return grid


def _as_rgb(images: Images) -> Float[np.ndarray, "N H W 3"]:
    images = np.clip(np.nan_to_num(np.asarray(images, np.float32)), 0, 1)
    return images if images.shape[-1] == 3 else np.repeat(images.mean(-1, keepdims=True), 3, -1)


def _resized(images: Float[np.ndarray, "N H W 3"], width: int) -> Float[np.ndarray, "N h w 3"]:
    """Each pixel repeated to a whole square, or whole blocks averaged where an image is wider than `width`."""
    _, high, wide, _ = images.shape
    if wide <= width:
        return images.repeat(width // wide, 1).repeat(width // wide, 2)
    block = min(math.ceil(wide / width), high)
    h, w = high // block, wide // block
    return images[:, : h * block, : w * block].reshape(-1, h, block, w, block, 3).mean((2, 4))


def _framed(grid: Float[np.ndarray, "h w 3"], title: str, left: int) -> Figure:
    """A figure with the picture at one screen pixel a pixel, a title above and room at the left."""
    height, width = grid.shape[0] + TITLE + MARGIN, max(grid.shape[1] + left + MARGIN, 500)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    start = left if left != MARGIN else (width - grid.shape[1]) / 2
    axes = figure.add_axes((start / width, MARGIN / height, grid.shape[1] / width, grid.shape[0] / height))
    axes.imshow(grid, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    figure.suptitle(title, fontsize=12, y=1 - 0.5 * TITLE / height, va="center")
    return figure
