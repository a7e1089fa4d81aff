"""Best, median and worst reconstructions, under the histogram of the error of all test images."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import BLUE, ORANGE, QUIET
from vae_jax.artifacts.figures.grid import (
    DPI,
    GUTTER,
    LINE_HEIGHT,
    MARGIN,
    TITLE,
    WIDTH,
    beside,
    framed,
    grid,
    label_rows,
)

LABEL = 200
CHART, AXIS = 300, 70
"""The screen pixels of the histogram, and of the numbers and the name under it."""
LAST_NUMBER = 25
"""The screen pixels by which the last number under the histogram may be wider than it."""
NAMES = ("best", "median", "worst")
COLOURS = ("#117733", QUIET, ORANGE)
MOST_BINS = 60


def fig_errors(
    errors: Float[np.ndarray, " N"],
    error_values: Float[np.ndarray, "3 k"],
    error_originals: Float[np.ndarray, "3 k H W C"],
    error_reconstructions: Float[np.ndarray, "3 k H W C"],
    error_inputs: Float[np.ndarray, "3 k H W C"] | None = None,
) -> Figure:
    """Draw the histogram of the mean squared error per pixel, and the best, the median and the worst images.

    error_values are the errors of the shown images, best first, worst last; error_inputs are a denoiser's corrupted images.
    Errors that are not finite are in no bar.
    """
    parts = {"original": error_originals, "noisy input": error_inputs, "reconstruction": error_reconstructions}
    parts = {label: part for label, part in parts.items() if part is not None}
    columns = error_values.shape[1]
    room = (WIDTH - LABEL - MARGIN - 2 * GUTTER) // 3
    pictures = [grid([part[i] for part in parts.values()], columns, room) for i in range(3)]
    picture = beside(*pictures)
    top = TITLE + CHART + AXIS + 2 * LINE_HEIGHT + 16
    figure = framed(picture, f"Reconstruction error of {len(errors):,} test images", LABEL, top)
    label_rows(figure, picture, [*parts], LABEL, top)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    for i, name in enumerate(NAMES):
        x = LABEL + (i + 0.5) * pictures[0].shape[1] + i * GUTTER
        low, high = _short(error_values[i].min()), _short(error_values[i].max())
        text = f"{name}\n{low}" + (f" to {high}" if high != low else "")
        figure.text(
            x / width, 1 - (top - 8) / height, text, ha="center", va="bottom", fontsize=9, color=COLOURS[i], wrap=False
        )
    _add_histogram(figure, errors, error_values, (LABEL, picture.shape[1]), width, height)
    return figure


def _short(value: float) -> str:
    return f"{value:.2g}"


def _add_histogram(
    figure: Figure,
    errors: Float[np.ndarray, " N"],
    marked: Float[np.ndarray, "3 k"],
    span: tuple[int, int],
    width: float,
    height: float,
) -> None:
    left, wide = span[0], span[1] - LAST_NUMBER
    axes = figure.add_axes((left / width, 1 - (TITLE + CHART) / height, wide / width, CHART / height))
    finite = np.asarray(errors, float)[np.isfinite(errors)]
    bins = min(MOST_BINS, max(10, int(2 * len(finite) ** 0.5)))
    if len(finite):
        spread = np.ptp(finite) > 1e-6 * np.abs(finite).max()
        counts, edges = np.histogram(finite, bins if spread else 1)
        axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.75)
    for values, colour in zip(marked, COLOURS, strict=True):
        axes.vlines(values[np.isfinite(values)], 0, 1, color=colour, linewidth=1, transform=axes.get_xaxis_transform())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("mean squared error of a pixel in [0, 1]", fontsize=9)
    axes.set_ylabel("test images", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", nbins=6)
    axes.locator_params(axis="y", integer=True, nbins=5, min_n_ticks=1)
    axes.spines[["top", "right"]].set_visible(False)
