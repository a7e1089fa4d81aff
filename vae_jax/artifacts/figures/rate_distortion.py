"""Rate against distortion for each weight of the KL (Alemi et al. 2018)."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_jax.artifacts.figures.colours import PALETTE
from vae_jax.artifacts.figures.grid import DPI
from vae_jax.artifacts.figures.sweeps import MARKERS
from vae_jax.artifacts.figures.text import wrapped

PLACES = (
    (6, 6),
    (6, -6),
    (-6, -6),
    (-6, 6),
    (10, 0),
    (-10, 0),
    (0, 10),
    (0, -10),
    (14, 14),
    (14, -14),
    (-14, -14),
    (-14, 14),
)
"""The offsets of a label from its point, in screen points; the first free one is taken."""
ROOM = 0.12
"""The share of the axes' length beyond the outermost points."""
LINES = 7


Point = tuple[str, float, float]
"""(beta, rate, distortion) of a run: rate is its kl and distortion its reconstruction, in nats per image."""


def fig_rate_distortion(runs: Mapping[str, Sequence[Point]], title: str) -> Figure:
    """Draw a point for each run, kl to the right, reconstruction upwards, its beta beside it, over lines of equal elbo.

    Args:
        runs: the other swept keys, as text -> runs, which a line joins in the order of beta.
        title: names the split, the checkpoints and the number of seeds.
    """
    figure = Figure(figsize=(8, 5.4), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12)
    axes.set_xlabel("rate: kl, nats per image", fontsize=10)
    axes.set_ylabel("distortion: reconstruction, nats per image", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    lines = [_means(own) for own in runs.values()]
    for j, (name, own) in enumerate(runs.items()):
        colour = PALETTE[j % len(PALETTE)]
        axes.plot(*zip(*(point[1:] for point in lines[j]), strict=True), color=colour, linewidth=1, alpha=0.5, zorder=2)
        rates, distortions = zip(*(point[1:] for point in own), strict=True)
        axes.scatter(
            rates,
            distortions,
            s=30,
            color=colour,
            marker=MARKERS[j % len(MARKERS)],
            label=wrapped(name, 60, 2),
            zorder=3,
        )
    dots = np.array([point[1:] for own in runs.values() for point in own])
    _limit(axes, dots)
    _iso_lines(axes)
    if len(runs) > 1:
        axes.legend(fontsize=9, framealpha=1, edgecolor="none", loc="upper right")
    _label(figure, axes, [point for line in lines for point in line], dots)
    return figure


def _means(runs: Sequence[Point]) -> list[Point]:
    """Return the mean over the seeds of each beta, in ascending order of beta."""
    found = []
    for beta in sorted({beta for beta, _, _ in runs}, key=float):
        rate, distortion = np.mean([point[1:] for point in runs if point[0] == beta], axis=0).tolist()
        found.append((beta, rate, distortion))
    return found


def _limit(axes: Axes, dots: Float[np.ndarray, "n 2"]) -> None:
    (low, bottom), (high, top) = dots.min(axis=0).tolist(), dots.max(axis=0).tolist()
    wide, tall = (ROOM * ((b - a) or abs(b) or 1) for a, b in ((low, high), (bottom, top)))
    # A rate is never negative.
    axes.set_xlim(max(low - wide, -0.03 * (high + wide)), high + wide)
    axes.set_ylim(bottom - tall, top + tall)


def _iso_lines(axes: Axes) -> None:
    """Draw lines of rate + distortion = -elbo, each labelled near its end, at the bottom or at the right."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    ticks = np.asarray(MaxNLocator(LINES, steps=[1, 2, 2.5, 5, 10]).tick_values(left + bottom, right + top))
    for total in ticks[(ticks > left + bottom) & (ticks < right + top)]:
        ends = [total - left, total - right]
        axes.plot([left, right], ends, color="0.75", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        x = min(right - 0.05 * (right - left), total - bottom - 0.03 * (top - bottom))
        if x < left + 0.05 * (right - left) or total - x > top - 0.02 * (top - bottom):
            continue
        name = f"elbo {-total or 0.0:g}".replace("-", "\N{MINUS SIGN}")
        page = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(x, total - x, name, ha="center", va="center", fontsize=8, color="0.45", zorder=1.5, bbox=page)


def _label(figure: Figure, axes: Axes, points: Sequence[Point], dots: Float[np.ndarray, "n 2"]) -> None:
    """Write each beta beside its point, over no other text and no point; without space it is left out."""
    figure.draw_without_rendering()
    inside = axes.get_window_extent()
    taken = [text.get_window_extent() for text in axes.texts]
    shown = axes.transData.transform(dots)
    for beta, *place in points:
        for dx, dy in PLACES:
            text = axes.annotate(
                f"\N{GREEK SMALL LETTER BETA} = {beta}",
                (place[0], place[1]),
                xytext=(dx, dy),
                textcoords="offset points",
                ha="left" if dx > 0 else "right" if dx < 0 else "center",
                va="bottom" if dy > 0 else "top" if dy < 0 else "center",
                fontsize=9,
                zorder=4,
            )
            box = text.get_window_extent()
            covers = any(box.overlaps(other) for other in taken) or any(box.contains(*dot) for dot in shown)
            if not covers and all(inside.contains(*corner) for corner in box.corners()):
                taken.append(box)
                break
            text.remove()
