"""Each latent dimension: its KL as a bar, and its distribution against the prior's as a Q-Q plot."""

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vae_jax.artifacts.figures.colours import BLUE, ORANGE, QUIET
from vae_jax.artifacts.figures.text import inactive_note, wrapped

MOST_NAMED = 30
ACROSS_CHARACTERS = 76
"""The most characters of names, each as long as the longest, that fit under the bars; longer ones are upright."""
FEWEST_BARS = 6
"""The number of bars that fill the width; of fewer, none is wider."""
ACROSS = 6
"""The number of Q-Q plots in a row, and of rows on a page."""
SIDES = (0.6, 0.12, 0.45, 0.3)
"""The inches at the left, the right, below, and for every line above the Q-Q plots."""
NARROWEST, CHARACTERS = 5.2, 14
"""The inches of the narrowest page, and the characters of a note to the inch."""
BAND = "0.87"


def fig_kl_per_dimension(
    kl_per_dimension: Float[np.ndarray, " K"], kl_names: tuple[str, ...], active: Bool[np.ndarray, " Z"]
) -> Figure:
    """Draw bars of nats per image, largest first, of the active dimensions; the inactive ones are a line and a sum.

    Dimensions beyond those of `active` belong to a layer above; they are orange, because their activity is not measured.
    If no dimension is active, the first is drawn, grey and hatched.
    """
    size, above = len(active), len(kl_per_dimension) - len(active)
    kinds = np.array(["active" if own else "inactive" for own in active] + ["upper layer"] * above)
    sorted_by_kl = np.argsort(-kl_per_dimension, kind="stable").tolist()
    order = np.array([k for k in sorted_by_kl if kinds[k] != "inactive"] or sorted_by_kl[:1])
    places = np.arange(1, len(order) + 1)
    figure = Figure(figsize=(8 if len(order) > FEWEST_BARS else 5.5, 3.4), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    figure.suptitle(f"KL of each latent dimension, {kl_per_dimension.sum():.2f} nats in all", fontsize=12)
    axes = figure.add_subplot()
    styles: dict[str, dict[str, Any]] = {
        "active": {"color": BLUE},
        "inactive": {"facecolor": "0.85", "edgecolor": "0.45", "hatch": "////"},
        "upper layer": {"facecolor": ORANGE, "edgecolor": "white", "hatch": "...."},
    }
    for name, style in styles.items():
        shown = kinds[order] == name
        if shown.any():
            axes.bar(places[shown], kl_per_dimension[order][shown], width=0.8, label=name, **style)
    note = inactive_note(active, size, f"{kl_per_dimension[:size][~active].sum():.2f} nats in all")
    axes.set_title(note, fontsize=8, color=QUIET)
    axes.set_ylabel("nats per image", fontsize=9)
    axes.set_xlabel("latent dimension, largest KL first", fontsize=9)
    spare = max(0, FEWEST_BARS - len(order)) / 2
    axes.set_xlim(0.3 - spare, len(order) + 0.7 + spare)
    if len(order) <= MOST_NAMED:
        names = [kl_names[k] for k in order]
        upright = len(names) * max(map(len, names)) > ACROSS_CHARACTERS
        axes.set_xticks(places, names, rotation=90 if upright else 0)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if above:
        axes.legend(fontsize=8, loc="upper right", framealpha=0.8, edgecolor="none")
    return figure


def fig_qq(
    normal_quantiles: Float[np.ndarray, " Q"],
    sample_quantiles: Float[np.ndarray, "Q Z"],
    qq_band: Float[np.ndarray, "2 Q"],
    ks_distances: Float[np.ndarray, " Z"],
    ks_bound: float,
    shown_dimensions: list[int],
    active: Bool[np.ndarray, " Z"],
) -> list[Figure]:
    """Draw a Q-Q plot of one z per image against N(0, 1) for each active dimension, largest KL first; 6 by 6 on a page.

    The grey band holds 99% of samples of N(0, 1) of this size. The name of a dimension whose KS distance is above the 1% bound
    is orange and bold. A line says how many dimensions are inactive.
    """
    page = ACROSS * ACROSS
    pages = [shown_dimensions[first : first + page] for first in range(0, len(shown_dimensions), page)]
    figures = []
    for number, shown in enumerate(pages):
        lines = [f"page {number + 1} of {len(pages)}" * (len(pages) > 1), inactive_note(active, len(active))]
        figure, cells = _page(len(shown), ks_bound, "; ".join(filter(None, lines)))
        # One scale for the whole page, so that its plots can be compared.
        reach = max(1.05 * np.abs(normal_quantiles).max(), 1.0)
        tall = max(reach, 1.05 * float(np.nanmax(np.abs(sample_quantiles[:, shown]), initial=0)))
        low, high = np.clip(qq_band, -tall, tall)
        for axes, k in zip(cells, shown, strict=True):
            axes.set_xlim(-reach, reach)
            axes.set_ylim(-tall, tall)
            axes.fill_between(normal_quantiles, low, high, color=BAND, linewidth=0)
            axes.plot([-reach, reach], [-reach, reach], color=ORANGE, linewidth=0.8)
            axes.plot(normal_quantiles, sample_quantiles[:, k], ".", color=BLUE, markersize=2)
            above = bool(ks_distances[k] > ks_bound)
            style: dict[str, Any] = {"color": ORANGE, "fontweight": "bold"} if above else {}
            axes.set_title(f"z{k + 1}  KS {ks_distances[k]:.3f}", fontsize=8, pad=2, **style)
        figures.append(figure)
    return figures


def _page(count: int, bound: float, note: str) -> tuple[Figure, list[Axes]]:
    """Return a page with a title, a legend, a note, and `count` empty Q-Q plots."""
    columns = count if count <= 3 else min(ACROSS, math.ceil(math.sqrt(count)))
    rows, cell = math.ceil(count / columns), 2.2 if columns <= 3 else 1.3
    left, right, below, line = SIDES
    width = max(columns * cell + left + right, NARROWEST)
    note = wrapped(note, int(CHARACTERS * width), 2)
    above = line * (2.2 + 0.6 * len(note.splitlines())) + 0.2
    height = rows * cell + above + below
    figure = Figure(figsize=(width, height), dpi=150)
    figure.suptitle("One z per test image against N(0, 1)", y=1 - 0.7 * line / height, va="center", fontsize=12)
    handles = [
        Line2D([], [], color=ORANGE, linewidth=0.8, label="N(0, 1)"),
        Patch(color=BAND, linewidth=0, label=f"1% bound: 99% of samples of N(0, 1), KS up to {bound:.3f}"),
    ]
    anchor = (0.5, 1 - 1.2 * line / height)
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=anchor, ncols=2, fontsize=8, frameon=False)
    figure.text(0.5, 1 - 2.2 * line / height, note, ha="center", va="top", fontsize=8, color=QUIET)
    figure.supxlabel("quantile of N(0, 1)", fontsize=9, y=0.08 / height)
    figure.supylabel("quantile of z", fontsize=9, x=0.08 / width)
    spare = (width - columns * cell - left - right) / 2
    edges = {"left": left + spare, "right": width - right - spare}
    grid = figure.add_gridspec(
        rows, columns, bottom=below / height, top=1 - above / height, wspace=0.12, hspace=0.25,
        **{side: inches / width for side, inches in edges.items()},
    )  # fmt: skip
    cells = [figure.add_subplot(grid[i // columns, i % columns]) for i in range(count)]
    for i, axes in enumerate(cells):
        axes.set_xticks([-2, 0, 2])
        axes.tick_params(labelsize=8, length=2, pad=1)
        axes.tick_params(labelbottom=i + columns >= count, labelleft=i % columns == 0)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, cells
