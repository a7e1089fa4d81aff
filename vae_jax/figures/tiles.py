"""Grids of images: reconstructions under their originals, samples."""

import math

from matplotlib.figure import Figure

from vae_jax.figures.grid import MARGIN, WIDTH, Images, framed, grid, label_rows

LABEL = 200  # screen pixels for "reconstruction" at the left of a row
MOST_COLUMNS = 12


def fig_reconstructions(originals: Images, reconstructions: Images) -> Figure:
    """Originals above, reconstructions below, both f32 [n, H, W, C] in [0, 1]; more than 12 take further pairs of rows.

    C = 3 is shown in colour, C = 1 in grey; other channel counts as the grey mean of their channels.
    """
    pairs = math.ceil(len(originals) / MOST_COLUMNS)
    columns = math.ceil(len(originals) / pairs)
    rows = [part[i * columns : (i + 1) * columns] for i in range(pairs) for part in (originals, reconstructions)]
    picture = grid(rows, columns, WIDTH - LABEL - MARGIN)
    figure = framed(picture, "Test images and their reconstructions", left=LABEL)
    label_rows(figure, picture, ["original", "reconstruction"] * pairs, LABEL)
    return figure


def fig_samples(samples: Images) -> Figure:
    """Samples f32 [n, H, W, C] in [0, 1] from the prior, as a square grid (64: 8 by 8), read row by row."""
    columns = math.ceil(math.sqrt(len(samples)))
    rows = [samples[i : i + columns] for i in range(0, len(samples), columns)]
    return framed(grid(rows, columns, WIDTH * 2 // 3), f"{len(samples)} samples from the prior", left=MARGIN)
