"""Figures: numpy arrays in, a matplotlib Figure out. The only room that imports matplotlib; it touches no files.

To add a figure: a function in a file beside this one, and one line in FIGURES. Its parameter names are the names of
arrays that the caller computes; it fits a run when all of them exist.
"""

from collections.abc import Callable

from matplotlib.figure import Figure

from vae_jax.figures.curves import fig_curves
from vae_jax.figures.export import png_bytes, rgb
from vae_jax.figures.scatter import fig_latent_scatter
from vae_jax.figures.tiles import fig_reconstructions, fig_samples

FIGURES: dict[str, Callable[..., Figure]] = {
    "curves": fig_curves,
    "reconstructions": fig_reconstructions,
    "samples": fig_samples,
    "latent_scatter": fig_latent_scatter,
}

__all__ = ["FIGURES", "fig_curves", "fig_latent_scatter", "fig_reconstructions", "fig_samples", "png_bytes", "rgb"]
