"""The use of latent dimensions while a model is trained."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import BLUE, ORANGE, PALETTE, QUIET
from vae_jax.artifacts.figures.text import inactive_note

SMALLEST = 1e-6
"""The smallest variance on the axis."""


def fig_activity(
    activity_epochs: Float[np.ndarray, " F"],
    activity_values: Float[np.ndarray, "F Z"],
    activity_bound: float,
    shown_dimensions: list[int],
    active: Bool[np.ndarray, " Z"],
    kl_names: tuple[str, ...] | None = None,
) -> Figure:
    """Draw a line for each dimension over epochs: the variance of its code over the test images that were stored while training.

    A dimension of a model with a KL is active if its variance is above activity_bound. Up to 10 active dimensions have
    colours and names, in the order of shown_dimensions; of more, all are blue. Inactive ones are grey.
    """
    figure = Figure(figsize=(8, 3.8), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    figure.suptitle("What each latent dimension carries while the model is trained", fontsize=12)
    axes = figure.add_subplot()
    values = np.maximum(activity_values, SMALLEST)
    for k in np.flatnonzero(~active):
        axes.plot(activity_epochs, values[:, k], color="0.7", linewidth=0.7)
    shown = [k for k in shown_dimensions if active[k]]
    few = len(shown) <= len(PALETTE)
    for i, k in enumerate(shown):
        style: dict[str, Any] = {"color": PALETTE[i], "label": f"z{k + 1}"} if few else {"color": BLUE, "alpha": 0.5}
        axes.plot(activity_epochs, values[:, k], linewidth=1.3, **style)
    if kl_names is not None:
        axes.axhline(
            activity_bound, color=ORANGE, linewidth=1, linestyle="--", label=f"active above {activity_bound:g}"
        )
    axes.set_yscale("log")
    axes.set_title(inactive_note(active, len(active)), fontsize=8, color=QUIET)
    axes.set_xlabel("epoch", fontsize=9)
    axes.set_ylabel("variance of the codes\nof the test images", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.minorticks_off()
    axes.locator_params(axis="x", nbins=8, integer=True)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside right center", fontsize=8, frameon=False)
    return figure
