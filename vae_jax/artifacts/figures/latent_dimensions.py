"""Each latent dimension: its KL as a bar, and its distribution against the prior's as a Q-Q plot."""

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import BLUE, ORANGE

MOST_NUMBERED = 40
ACROSS = 8
"""The number of Q-Q plots in a row, and of rows on a page."""


def fig_kl_per_dimension(kl_per_dimension: Float[np.ndarray, " K"], active: Bool[np.ndarray, " Z"]) -> Figure:
    """Draw bars of nats per image, largest first; active dimensions are blue, inactive ones grey and hatched.

    Dimensions beyond those of `active` belong to a layer above, u1, u2, ...; they are orange, because their activity is not
    measured.
    """
    order = np.argsort(-kl_per_dimension, kind="stable")
    size, above = len(active), len(order) - len(active)
    kinds = np.array(["active" if own else "inactive" for own in active] + ["upper layer"] * above)
    names = [f"z{k + 1}" for k in range(size)] + [f"u{k + 1}" for k in range(above)]
    places = np.arange(len(order))
    figure = Figure(figsize=(8, 3.4), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.add_subplot()
    styles: dict[str, dict[str, Any]] = {
        "active": {"color": BLUE},
        "inactive": {"facecolor": "0.85", "edgecolor": "0.45", "hatch": "////"},
        "upper layer": {"facecolor": ORANGE, "edgecolor": "white", "hatch": "...."},
    }
    for name, style in styles.items():
        shown = kinds[order] == name
        if shown.any():
            label = f"{name} ({shown.sum()}{'' if name == 'upper layer' else f' of {size}'})"
            axes.bar(places[shown], kl_per_dimension[order][shown], width=0.8, label=label, **style)
    axes.set_title(f"KL of each latent dimension, {kl_per_dimension.sum():.2f} nats in all", fontsize=12)
    axes.set_ylabel("nats per image", fontsize=9)
    axes.set_xlabel("latent dimension, largest KL first", fontsize=9)
    axes.set_xlim(-0.7, len(order) - 0.3)
    if len(order) <= MOST_NUMBERED:
        axes.set_xticks(places, [names[k] for k in order])
    axes.tick_params(labelsize=8 if len(order) <= 25 else 6)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper right", framealpha=0.8, edgecolor="none")
    return figure


def fig_qq(
    normal_quantiles: Float[np.ndarray, " Q"],
    sample_quantiles: Float[np.ndarray, "Q Z"],
    ks_distances: Float[np.ndarray, " Z"],
) -> list[Figure]:
    """Draw a Q-Q plot of one z per image against N(0, 1) for each latent dimension, in order; 8 by 8 on a page."""
    size, page = len(ks_distances), ACROSS * ACROSS
    return [
        _page(normal_quantiles, sample_quantiles, ks_distances, range(first, min(first + page, size)))
        for first in range(0, size, page)
    ]


def _page(
    expected: Float[np.ndarray, " Q"], found: Float[np.ndarray, "Q Z"], distances: Float[np.ndarray, " Z"], shown: range
) -> Figure:
    columns = min(ACROSS, max(3, math.ceil(math.sqrt(len(shown)))), len(shown))
    rows = math.ceil(len(shown) / columns)
    cell = 1.0 if columns > 5 else 1.45
    figure = Figure(figsize=(max(4.2, columns * cell), max(rows * cell + 0.75, 2.6)), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03)
    numbers = f"z{shown[0] + 1} to z{shown[-1] + 1}" if len(shown) > 1 else f"z{shown[0] + 1}"
    small = columns < 4
    figure.suptitle(f"{numbers}{chr(10) if small else ', '}one z per test image against N(0, 1)", fontsize=11)
    figure.supxlabel("quantile of N(0, 1)", fontsize=9)
    figure.supylabel("quantile of z", fontsize=9)
    reach = max(1.05 * np.abs(expected).max(), 1.0)
    tall = max(reach, 1.05 * float(np.nanmax(np.abs(found[:, list(shown)]), initial=0)))
    for i, k in enumerate(shown):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.plot([-reach, reach], [-reach, reach], color=ORANGE, linewidth=0.8)
        axes.plot(expected, found[:, k], ".", color=BLUE, markersize=2 if cell < 1.2 else 3)
        axes.set_title(f"z{k + 1}  KS {distances[k]:.3f}", fontsize=6 if cell < 1.2 else 8, pad=2)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-tall, tall)
        axes.set_xticks([-2, 0, 2])
        axes.tick_params(labelsize=5 if cell < 1.2 else 6, length=2, pad=1)
        axes.tick_params(labelbottom=i + columns >= len(shown), labelleft=i % columns == 0)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
