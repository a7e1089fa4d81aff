"""Grids of images: reconstructions under their originals, samples."""

import math

from matplotlib.figure import Figure

from vae_jax.artifacts.figures.grid import MARGIN, WIDTH, Images, framed, grid, label_room, label_rows

LABEL = 200  # screen pixels for "reconstruction" at the left of a row
MOST_COLUMNS = 12


def fig_reconstructions(originals: Images, reconstructions: Images, corrupted: Images | None = None) -> Figure:
    """Draw originals, a denoiser's corrupted inputs under them, and reconstructions; more than 12 images take further rows.

    All are f32 [n, H, W, C], shown in [0, 1]; see `grid` for the channels.
    """
    pairs = math.ceil(len(originals) / MOST_COLUMNS)
    columns = math.ceil(len(originals) / pairs)
    parts = {"original": originals, "noisy input": corrupted, "reconstruction": reconstructions}
    parts = {label: part for label, part in parts.items() if part is not None}
    rows = [part[i * columns : (i + 1) * columns] for i in range(pairs) for part in parts.values()]
    picture = grid(rows, columns, WIDTH - LABEL - MARGIN)
    figure = framed(picture, "Test images and their reconstructions", left=LABEL)
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
