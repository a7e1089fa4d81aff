"""Colours of classes and of lines, which colour-blind eyes can distinguish too."""

import numpy as np
from jaxtyping import Float, Int32
from matplotlib import colormaps, colors
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vae_jax.artifacts.figures.text import MOST_NAMES, wrapped

# Paul Tol's "muted" palette, safe for colour-blind eyes, its pale grey made darker: it must show on white.
PALETTE = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#777777")
BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito
QUIET = "0.35"


def class_colours(classes: int) -> Float[np.ndarray, "K 4"]:
    """Return RGBA colours for at least `count` classes: up to 10 from the palette, more from one even ramp."""
    if classes <= len(PALETTE):
        return np.array([colors.to_rgba(colour) for colour in PALETTE])
    return colormaps["viridis"](np.linspace(0, 0.95, classes))


def name_colours(figure: Figure, labels: Int32[np.ndarray, " N"], class_names: tuple[str, ...]) -> None:
    """Add a legend of the classes' colours at the right of the figure; nothing for more than 30 classes."""
    if not 0 < len(class_names) <= MOST_NAMES:
        return
    colours = class_colours(len(class_names)).tolist()
    present = np.unique(labels).tolist()
    names = [wrapped(class_names[k], 20, 2 if len(present) <= MOST_NAMES // 2 else 1) for k in present]
    styles = [{"color": colours[k], "label": name} for k, name in zip(present, names, strict=True)]
    handles = [Line2D([], [], marker="o", linestyle="", **style) for style in styles]
    figure.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False, handletextpad=0.2)
