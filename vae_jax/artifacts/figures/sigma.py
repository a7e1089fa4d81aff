"""The learned standard deviation of pixels beside the error of noise-free reconstructions."""

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.colours import QUIET

MAP = "viridis"


def fig_sigma(sigma_map: Float[np.ndarray, "H W"], error_map: Float[np.ndarray, "H W"]) -> Figure:
    """Draw the learned sigma of every pixel beside the root mean squared error of its reconstruction, on one scale.

    Both are quadratic means over the test images and channels. The reconstructions are noise-free, and sigma also covers the
    noise of z, so it may be larger. A sigma that is one for all pixels is a number in the title, and
    a line in the scale; only the error is drawn.
    """
    single = bool(np.ptp(sigma_map) <= 1e-6 * max(float(sigma_map.max()), 1e-30))
    sigma, error = (float(np.sqrt(np.square(part).mean())) for part in (sigma_map, error_map))
    maps = {"error of noise-free reconstructions": error_map} if single else {"sigma": sigma_map, "error": error_map}
    figure = Figure(figsize=(5.4 if single else 8, 4.4), dpi=150)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    figure.suptitle(f"Learned sigma {sigma:.3g}, root mean squared error {error:.3g}", fontsize=12)
    low, high = (float(pick([pick(sigma_map), pick(error_map)])) for pick in (np.nanmin, np.nanmax))
    cells = figure.subplots(1, len(maps), squeeze=False)[0]
    drawn = ScalarMappable(Normalize(low, high), MAP)
    for axes, (name, values) in zip(cells, maps.items(), strict=True):
        axes.imshow(drawn.to_rgba(values), interpolation="nearest")
        axes.set_title(f"{name}, {values.min():.2g} to {values.max():.2g}", fontsize=9, color=QUIET)
        axes.set_axis_off()
    bar = figure.colorbar(drawn, ax=list(cells), shrink=0.8)
    bar.set_label("pixels in [0, 1]; sigma also covers the noise of z", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    if single:
        bar.ax.axhline(sigma, color="white", linewidth=4)
        bar.ax.axhline(sigma, color="black", linewidth=1.5)
    return figure
