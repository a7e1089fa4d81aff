"""Grids of images: reconstructions under their originals, samples."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.grid import (
    DPI,
    LINE_HEIGHT,
    MARGIN,
    TITLE,
    WIDTH,
    Images,
    framed,
    grid,
    label_room,
    label_rows,
)
from vae_jax.artifacts.figures.text import plain, shortened

LABEL = 200  # screen pixels for "reconstruction" at the left of a row
MOST_COLUMNS = 12
CLASS_CHARACTER = 11  # screen pixels


def fig_reconstructions(
    originals: Images, reconstructions: Images, corrupted: Images | None = None, draws_pixels: bool = False
) -> Figure:
    """Draw originals, a denoiser's corrupted inputs under them, and reconstructions; more than 12 images take further rows.

    All are f32 [n, H, W, C], shown in [0, 1]; see `grid` for the channels. With `draws_pixels` reconstructions are draws of
    p(x|z), z being that of the image without noise.
    """
    name = "draw given its z" if draws_pixels else "reconstruction"
    pairs = math.ceil(len(originals) / MOST_COLUMNS)
    columns = math.ceil(len(originals) / pairs)
    parts = {"original": originals, "noisy input": corrupted, name: reconstructions}
    parts = {label: part for label, part in parts.items() if part is not None}
    rows = [part[i * columns : (i + 1) * columns] for i in range(pairs) for part in parts.values()]
    picture = grid(rows, columns, WIDTH - LABEL - MARGIN)
    title = (
        "Test images, and a draw of p(x|z) at each one's z" if draws_pixels else "Test images and their reconstructions"
    )
    figure = framed(picture, title, left=LABEL)
    label_rows(figure, picture, [*parts] * pairs, LABEL)
    return figure


def fig_samples(samples: Images, sample_classes: tuple[str, ...] = ()) -> Figure:
    """Draw samples f32 [n, H, W, C] in [0, 1] from the prior, as a square grid (64: 8 by 8), in reading order.

    Of a conditional model there is a row of equally many samples for each of `sample_classes`, with its name.
    """
    if sample_classes:
        columns, label = len(samples) // len(sample_classes), label_room(sample_classes)
        rows = [samples[i : i + columns] for i in range(0, len(samples), columns)]
        picture = grid(rows, columns, WIDTH * 2 // 3)
        figure = framed(picture, f"{columns} samples given each class", left=label)
        label_rows(figure, picture, list(sample_classes), label)
        return figure
    columns = math.ceil(math.sqrt(len(samples)))
    rows = [samples[i : i + columns] for i in range(0, len(samples), columns)]
    return framed(grid(rows, columns, WIDTH * 2 // 3), f"{len(samples)} samples from the prior", left=MARGIN)


def fig_temperatures(
    temperature_samples: Float[np.ndarray, "T n H W C"],
    temperatures: tuple[float, ...],
    temperature_classes: tuple[str, ...] = (),
) -> Figure:
    """Draw the same draws from the prior at several temperatures, a row for each; of a conditional model a class in each column.

    A temperature below 1 keeps the draws nearer to the prior's modes: samples are cleaner and more alike.
    """
    columns = temperature_samples.shape[1]
    names = [f"temperature {value:g}" for value in temperatures]
    label = label_room(names)
    picture = grid(list(temperature_samples), columns, WIDTH - label - MARGIN)
    top = TITLE + LINE_HEIGHT * bool(temperature_classes)
    title = "The same draws from the prior at other temperatures"
    figure = framed(picture, title + (", one class in each column" if temperature_classes else ""), label, top)
    label_rows(figure, picture, names, label, top)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    room = picture.shape[1] // columns // CLASS_CHARACTER
    for j, name in enumerate(temperature_classes):
        x = (label + (j + 0.5) * picture.shape[1] / columns) / width
        figure.text(x, 1 - (top - 12) / height, plain(shortened(name, room)), ha="center", va="center", fontsize=8)
    return figure
