"""Nearest neighbours: samples beside training images, and the classes of codes that are near each other."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import QUIET
from vae_jax.artifacts.figures.grid import (
    DPI,
    LINE_HEIGHT,
    MARGIN,
    TITLE,
    WIDTH,
    Images,
    framed,
    grid,
    label_rows,
    page,
)
from vae_jax.artifacts.figures.text import MOST_NAMES, plain, shortened, wrapped

LABEL = 250
MOST_WRITTEN = 12
"""The most classes whose shares are written in the cells."""
FEW_COLUMNS = 12
LARGEST_ERROR = 0.15
"""The largest standard error of a share that is written."""
CONFUSED = 3
"""The number of pairs of classes that the title of the matrix names."""


def fig_neighbours(
    neighbour_samples: Images,
    neighbour_images: Images,
    neighbour_distances: Float[np.ndarray, " n"],
    neighbour_share: tuple[float, float, int, str] | None = None,
) -> Figure:
    """Draw samples above the training images that are nearest to them in pixels, nearest pairs last.

    neighbour_distances are root mean squared differences of a pixel. neighbour_share holds the share of samples that are
    nearer to one of M training images than to any of M images that the model was not trained on, its standard error, M, and
    the name of the other images' split; None if they cannot be compared.
    """
    half = len(neighbour_samples) // 2
    rows = [part[span] for span in (slice(half), slice(half, None)) for part in (neighbour_samples, neighbour_images)]
    columns = max(half, len(neighbour_samples) - half)
    first, last = (grid(pair, columns, WIDTH - LABEL - MARGIN) for pair in (rows[:2], rows[2:]))
    between = LINE_HEIGHT + 14
    picture = np.concatenate([first, page(between, first.shape[1]), last])
    note = wrapped(_verdict(*neighbour_share) if neighbour_share else "", 92, 2)
    top = TITLE + LINE_HEIGHT * len(note.splitlines())
    figure = framed(picture, "Samples and their nearest training images", LABEL, top, MARGIN + between)
    width, height = figure.get_figwidth() * DPI, figure.get_figheight() * DPI
    figure.text(0.5, 1 - (TITLE - 14) / height, note, ha="center", va="top", fontsize=9, color=QUIET)
    names = (["first samples", "nearest in training"], ["the closest pairs", "nearest in training"])
    for part, (pair, start) in enumerate(zip(names, (0, len(first) + between), strict=True)):
        label_rows(figure, first, list(pair), LABEL, top + start)
        y = 1 - (top + start + len(first) + 6) / height
        for j, value in enumerate(neighbour_distances[part * half : (part + 1) * half or None]):
            x = (LABEL + (j + 0.5) * first.shape[1] / columns) / width
            figure.text(x, y, f"{value:.2f}", ha="center", va="top", fontsize=8, color=QUIET)
    return figure


def _verdict(share: float, error: float, count: int, split: str) -> str:
    if error > LARGEST_ERROR:
        return "most samples are near the same few images, which says nothing about copies"
    same = " and both are from one source" if split == "test" else ""
    return (
        f"{share:.0%} ± {error:.0%} of samples are nearer to one of {count:,} training images than to any of {count:,} "
        f"{split} images: 50% if nothing is memorised{same}, 100% if all samples are copies"
    )


def fig_neighbour_classes(
    neighbour_matrix: Float[np.ndarray, "K K"], neighbour_count: int, neighbour_names: tuple[str, ...]
) -> Figure:
    """Draw for each class, in its row, the classes of its codes' nearest neighbours; a row sums to 1.

    The shares are written for up to 12 classes, and the classes' names for up to 30. The title names the most confused pairs.
    """
    classes = len(neighbour_names)
    side = float(np.clip(0.42 * classes + 1.6, 4.6, 7))
    figure = Figure(figsize=(side + 1.2, side + 0.6), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    own = float(np.diag(neighbour_matrix).mean())
    figure.suptitle(f"{own:.0%} of the {neighbour_count} nearest codes are of the same class", fontsize=12)
    axes = figure.add_subplot()
    drawn = axes.imshow(neighbour_matrix, cmap="Blues", vmin=0)
    axes.set_title(_most_confused(neighbour_matrix, neighbour_names, int(13 * side)), fontsize=8, color=QUIET)
    axes.set_xlabel("class of the neighbours", fontsize=9)
    axes.set_ylabel("class of the image", fontsize=9)
    if classes <= MOST_NAMES:
        names = [plain(shortened(name, 14)) for name in neighbour_names]
        upright = max(map(len, names)) * classes > FEW_COLUMNS * side
        axes.set_xticks(range(classes), names, rotation=90 if upright else 0)
        axes.set_yticks(range(classes), names)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.tick_params(labelsize=8, length=2)
    if classes <= MOST_WRITTEN:
        for (i, k), share in np.ndenumerate(neighbour_matrix):
            colour = "white" if share > 0.5 * neighbour_matrix.max() else "0.25"
            if share >= 0.005:
                axes.text(k, i, f"{share:.0%}".rstrip("%"), ha="center", va="center", fontsize=8, color=colour)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7)
    bar.set_label("share of the neighbours" + (", numbers in %" if classes <= MOST_WRITTEN else ""), fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def _most_confused(matrix: Float[np.ndarray, "K K"], names: tuple[str, ...], width: int) -> str:
    """Return the pairs of classes that are neighbours most often, both directions averaged; empty without any."""
    both = np.triu((matrix + matrix.T) / 2, 1)
    order = np.argsort(-both, axis=None, kind="stable")[:CONFUSED]
    pairs = [divmod(int(place), len(names)) for place in order]
    texts = [
        f"{shortened(names[i], 20)} and {shortened(names[k], 20)} ({both[i, k]:.0%})"
        for i, k in pairs
        if both[i, k] > 0
    ]
    return wrapped(f"most confused: {', '.join(texts)}", width, 3) if texts else ""
