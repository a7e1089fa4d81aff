"""Decoded points around the codes of real images: one dimension after another, and between four images."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vae_jax.artifacts.figures.colours import ORANGE, QUIET
from vae_jax.artifacts.figures.decoded import HEADINGS, LINE, columns_named, few_or_many
from vae_jax.artifacts.figures.grid import (
    DPI,
    GUTTER,
    LINE_HEIGHT,
    MARGIN,
    WIDTH,
    beside,
    framed,
    grid,
    label_room,
    label_rows,
    light_gap,
    page,
)
from vae_jax.artifacts.figures.text import inactive_note, plain, shortened, wrapped

NOTE_CHARACTER = 10
LARGE = 24
"""The width of images that take the full width of the page, to be enlarged at all."""
TALL = 4
"""The fewest rows beside which the image is drawn at twice the scale."""


def fig_variations(
    variations: Float[np.ndarray, "rows n H W C"],
    variation_original: Float[np.ndarray, "2 H W C"],
    variation_coordinates: Float[np.ndarray, "rows n"],
    variation_own: Float[np.ndarray, " rows"],
    variation_name: str,
    traversal_dimensions: list[int],
    active: Bool[np.ndarray, " Z"],
) -> Figure:
    """Draw a row for each active latent dimension: it takes the coordinates, all others stay at the code of a test image.

    variation_original holds the image and its reconstruction, drawn at the right. variation_own are the image's own coordinates;
    the column that is nearest to it is framed. If the rows differ in their coordinates, the headings are percentiles.
    """
    rows, columns = variations.shape[:2]
    values = [f"{round(float(value), 1) + 0.0:.1f}".replace("-", "−") for value in variation_own]  # 0.0, not -0.0
    names = [f"z{k + 1} = {value}" for k, value in zip(traversal_dimensions, values, strict=True)]
    label = label_room(names)
    scale = 2 if rows >= TALL else 1
    room = (few_or_many(rows) if variations.shape[3] < LARGE else WIDTH) - label - MARGIN - GUTTER
    cells = grid(list(variations), columns, room * columns // (columns + scale))
    gap = _gap(cells.shape[1], columns)
    tile = (cells.shape[1] + gap) // columns - gap
    image = grid([variation_original[:1], variation_original[1:]], 1, scale * tile + 2)
    height = max(len(cells), len(image))
    panels = [np.concatenate([part, page(height - len(part), part.shape[1])]) for part in (cells, image)]
    note = wrapped(inactive_note(active, rows), (cells.shape[1] + image.shape[1]) // NOTE_CHARACTER, 3)
    bottom = MARGIN + LINE_HEIGHT * len(note.splitlines())
    title = f"One latent dimension at a time around {plain(shortened(variation_name, LINE // 2))}"
    title += "\nwhich is at the right, above its reconstruction"
    figure = framed(beside(*panels), title, label, HEADINGS, bottom)
    label_rows(figure, cells, names, label, HEADINGS)
    _frame_own(figure, cells, variation_coordinates, variation_own)
    wide, high = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    figure.text(label / wide, (bottom - 10) / high, note, va="top", fontsize=8, color=QUIET)
    alike = bool((variation_coordinates == variation_coordinates[:1]).all())
    headings = [f"{value:.1f}".replace("-", "−") for value in variation_coordinates[0]]
    columns_named(figure, cells.shape[1], headings if alike else ["1%", *[""] * (columns - 2), "99%"], label)
    return figure


def _frame_own(
    figure: Figure,
    cells: Float[np.ndarray, "h w 3"],
    coordinates: Float[np.ndarray, "rows n"],
    own: Float[np.ndarray, " rows"],
) -> None:
    """Frame the cell of every row whose coordinate is nearest to the image's own."""
    rows, columns = coordinates.shape
    gap = _gap(cells.shape[1], columns)
    pitch = (cells.shape[1] + gap) / columns, (cells.shape[0] + gap) / rows
    for i, j in enumerate(np.abs(coordinates - own[:, None]).argmin(axis=1)):
        corner = (j * pitch[0] - gap / 2 - 0.5, i * pitch[1] - gap / 2 - 0.5)
        frame = Rectangle(corner, pitch[0], pitch[1], fill=False, edgecolor=ORANGE, linewidth=1.5)
        figure.axes[0].add_patch(frame)


def _gap(width: int, columns: int) -> int:
    """Return the screen pixels between the images of a grid of this width."""
    return next(gap for gap in range(2, width + 2) if gap == light_gap((width + gap) // columns - gap))


def fig_corners(
    corners: Float[np.ndarray, "P H W C"],
    corner_originals: Float[np.ndarray, "4 H W C"],
    corner_names: tuple[str, ...],
    corner_given: bool = False,
) -> Figure:
    """Draw a square grid of decoded points between the codes of four test images, which are drawn outside its corners.

    corners f32 [n*n, H, W, C] and the names are in reading order; the four corners of the grid are reconstructions. With
    corner_given, each quarter is decoded given the class of its corner.
    """
    size = round(len(corners) ** 0.5)
    rows = [corners[i : i + size] for i in range(0, len(corners), size)]
    picture = grid(rows, size, (WIDTH - 2 * (MARGIN + GUTTER)) * size // (size + 4))
    images = [grid([image[None]], 1, 2 * picture.shape[1] // size) for image in corner_originals]
    between = page(max(GUTTER, len(picture) - 2 * len(images[0])), images[0].shape[1])
    sides = [np.concatenate([images[i], between, images[i + 2]]) for i in (0, 1)]
    height = max(len(picture), len(sides[0]))
    left, middle, right = (
        np.concatenate([part, page(height - len(part), part.shape[1])]) for part in (sides[0], picture, sides[1])
    )
    names = ", ".join(shortened(name, 12) for name in corner_names)
    given = "each quarter given the class of its corner: " if corner_given else "which are outside: "
    title = f"Between the codes of four test images\n{plain(given + names)}"
    return framed(beside(left, middle, right), title, MARGIN)
