"""A sweep as pictures: each metric against the swept value, and the images of each value's model."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import PALETTE
from vae_jax.artifacts.figures.grid import (
    DPI,
    GUTTER,
    MARGIN,
    WIDTH,
    Images,
    beside,
    framed,
    grid,
    label_room,
    label_rows,
    page,
)
from vae_jax.artifacts.figures.text import wrapped

Line = tuple[list[str], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]
PANELS = {
    "elbo": "nats per image, more is better",
    "reconstruction": "nats per image",
    "kl": "nats per image",
    "active_units": "latent dimensions",
    "code_perplexity": "codes",
    "loss": "nats per image",
    "mse": "mean squared error",
}
MOST_PANELS = 4
MARKERS = "osD^vPX*"
LOG_RANGE = 10
"""The ratio of largest to smallest swept number from which the axis is logarithmic."""


def fig_sweep(key: str, metrics: Mapping[str, Mapping[str, Line]], title: str) -> Figure:
    """Draw a panel for each metric, with a line for each combination of the other swept keys and bars of one standard error.

    Args:
        key: the swept key on the horizontal axis; its values are drawn as numbers if all of them are numbers.
        metrics: metric -> the line's name -> (values of the key as text, means [n], standard errors [n], NaN unknown).
        title: names the split and the number of seeds.
    """
    names = [name for name in PANELS if name in metrics][:MOST_PANELS] or list(metrics)[:MOST_PANELS]
    figure = Figure(figsize=(8, 3.1 if len(names) < 3 else 5.4), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    figure.suptitle(title, fontsize=12)
    rows = 1 if len(names) < 3 else 2
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, -(-len(names) // rows), i + 1)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(key, fontsize=9)
        axes.set_ylabel(PANELS.get(name, name), fontsize=8)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        _draw_lines(axes, metrics[name])
        axes.tick_params(labelsize=8)
        if name == "active_units":
            axes.locator_params(axis="y", integer=True)
        if i == 0 and len(metrics[name]) > 1:
            axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")
    return figure


def _draw_lines(axes: Axes, lines: Mapping[str, Line]) -> None:
    texts = list(dict.fromkeys(text for values, _, _ in lines.values() for text in values))
    places = _places(texts)
    for j, (name, (values, means, errors)) in enumerate(lines.items()):
        x = np.array([places[value] for value in values])
        order = np.argsort(x, kind="stable")
        style = {"color": PALETTE[j % len(PALETTE)], "marker": MARKERS[j % len(MARKERS)], "markersize": 4.5}
        known = np.nan_to_num(errors[order])
        axes.errorbar(x[order], means[order], yerr=known, capsize=3, linewidth=1.2, label=wrapped(name, 40, 2), **style)
    numbers = sorted(places.values())
    if numbers[0] > 0 and numbers[-1] >= LOG_RANGE * numbers[0] and all(_is_number(text) for text in texts):
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(list(places.values()), [wrapped(text, max(8, 46 // len(texts)), 3) for text in texts])


def _places(texts: Sequence[str]) -> dict[str, float]:
    """Return the positions of values on the axis: themselves if all are numbers, else their places in the order given."""
    numeric = all(_is_number(text) for text in texts)
    return {text: float(text) if numeric else float(i) for i, text in enumerate(texts)}


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def fig_sweep_images(originals: Images, rows: Sequence[tuple[str, Images, Images | None]]) -> Figure:
    """Draw originals, and for each value of a sweep their reconstructions beside samples from the prior.

    Args:
        originals: test images.
        rows: (name of the value, reconstructions of the same images, samples or None without a prior), all of one shape.
    """
    names = ["original", *(name for name, _, _ in rows)]
    label = label_room(names)
    sampled = next((samples for _, _, samples in rows if samples is not None), None)
    columns = len(originals)
    room = WIDTH - label - MARGIN
    left = [originals, *(reconstructions for _, reconstructions, _ in rows)]
    if sampled is None:
        picture = grid(left, columns, room)
        title = "Reconstructions"
    else:
        both = columns + len(sampled)
        right = [np.ones_like(sampled) if samples is None else samples for _, _, samples in rows]
        pictures = [grid(part, len(part[0]), room * len(part[0]) // both - GUTTER // 2) for part in (left, right)]
        above = page(len(pictures[0]) - len(pictures[1]), pictures[1].shape[1])
        picture = beside(pictures[0], np.concatenate([above, pictures[1]]))
        title = "Reconstructions (left) and samples from the prior (right)"
    figure = framed(picture, title, left=label)
    label_rows(figure, picture, names, label)
    return figure
