"""Training curves: one panel per quantity, with training and validation."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

History = dict[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]]

PANELS = {
    "loss": "nats per image",
    "reconstruction": "nats per image",
    "kl": "nats per image",
    "mse": "mean squared error,\npixels in [0, 1]",
}
MOST_PANELS = 3
SPLITS = {"train": "#0072B2", "val": "#D55E00"}  # Okabe and Ito: distinct for colour-blind eyes too
FEW_EPOCHS = 15


def fig_curves(history: History) -> Figure:
    """Draw training and validation curves: loss, reconstruction, kl (an autoencoder without a prior: loss, mse).

    `history` maps `train/loss`, `val/kl`, ... to (epochs [n], values [n]), in nats per image (mse: pixels in [0, 1]).
    Values that are not finite are left out. Each panel has its own axis; the huge values of the first epochs leave it,
    and a note gives their range. The first three quantities of PANELS that were logged are drawn.
    """
    names = [name for name in PANELS if any(f"{split}/{name}" in history for split in SPLITS)][:MOST_PANELS]
    figure = Figure(figsize=(8, 3), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.07)
    figure.suptitle("Training curves", fontsize=12)
    for i, name in enumerate(names or ["loss"]):
        axes = figure.add_subplot(1, len(names) or 1, i + 1)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("epoch", fontsize=9)
        axes.set_ylabel(PANELS[name], fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        note = _draw_lines(axes, history, name)
        if axes.lines:
            axes.legend(title=note, fontsize=8, title_fontsize=8, loc="best", framealpha=0.8, edgecolor="none")
    return figure


def _draw_lines(axes: Axes, history: History, name: str) -> str | None:
    """Draw both splits; return the note for the legend, or None."""
    drawn: list[np.ndarray] = []
    for split, colour in SPLITS.items():
        epochs, values = (np.asarray(a, float) for a in history.get(f"{split}/{name}", ((), ())))
        finite = np.isfinite(values) & np.isfinite(epochs)
        if finite.any():
            marker = "o" if finite.sum() <= FEW_EPOCHS else None
            axes.plot(epochs[finite], values[finite], color=colour, marker=marker, markersize=4, label=split)
            drawn.append(values[finite])
    if not drawn:
        axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", va="center", fontsize=9)
        return None
    axes.locator_params(axis="x", integer=True, nbins=5, min_n_ticks=1)
    return _limit(axes, np.concatenate(drawn))


def _limit(axes: Axes, values: Float[np.ndarray, " n"]) -> str | None:
    """Set y limits that a few far values cannot stretch; return a note about those values, or None."""
    low, high = np.percentile(values, [5, 95])
    reach = high - low
    kept = values[(values >= low - reach) & (values <= high + reach)]
    if len(values) < 5 or len(kept) == len(values) or np.ptp(kept) == 0:
        return None
    margin = 0.08 * np.ptp(kept)
    axes.set_ylim(kept.min() - margin, kept.max() + margin)
    farthest = values[np.argmax(np.abs(values - np.median(values)))]
    return f"off the axis: up to {farthest:.4g}" if farthest > high else f"off the axis: down to {farthest:.4g}"
