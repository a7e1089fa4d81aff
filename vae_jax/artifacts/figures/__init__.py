"""Figures: numpy arrays in, a matplotlib Figure out. No other package imports matplotlib, and no file is touched here.

All are drawn in Matplotlib's defaults (see `style`), not in a person's settings.

To add a figure: a function in a file beside this one, and one line in FIGURES. Its parameter names are the names of
arrays that the caller computes; it fits a run if all of them exist. It returns a Figure, a list of Figures (pages), or
the bytes of a GIF.
"""

from collections.abc import Callable

from vae_jax.artifacts.figures.style import default_style

# isort: split
# Matplotlib is first imported by `style`, which keeps a broken matplotlibrc quiet.
from matplotlib.figure import Figure

from vae_jax.artifacts.figures.animation import gif_animation
from vae_jax.artifacts.figures.around import fig_corners, fig_variations
from vae_jax.artifacts.figures.colours import class_colours
from vae_jax.artifacts.figures.components import component_groups, fig_components
from vae_jax.artifacts.figures.curves import fig_curves
from vae_jax.artifacts.figures.decoded import fig_manifold, fig_traversal, fig_walk
from vae_jax.artifacts.figures.errors import fig_errors
from vae_jax.artifacts.figures.files import as_files, image_png, png_bytes, rgb
from vae_jax.artifacts.figures.grid import plane_tiles
from vae_jax.artifacts.figures.images import fig_reconstructions, fig_samples, fig_temperatures
from vae_jax.artifacts.figures.latent_dimensions import fig_kl_per_dimension, fig_qq
from vae_jax.artifacts.figures.neighbours import fig_neighbour_classes, fig_neighbours
from vae_jax.artifacts.figures.over_epochs import fig_activity
from vae_jax.artifacts.figures.plane import fig_plane
from vae_jax.artifacts.figures.rate_distortion import fig_rate_distortion
from vae_jax.artifacts.figures.scatter import fig_latent_scatter
from vae_jax.artifacts.figures.sigma import fig_sigma
from vae_jax.artifacts.figures.sweeps import fig_sweep, fig_sweep_images
from vae_jax.artifacts.figures.text import shown_names
from vae_jax.artifacts.figures.tsne import fig_tsne

# Every figure function of this package, the sweeps' too, so that a new one needs no line of its own.
for _name in [name for name in globals() if name.startswith(("fig_", "gif_"))]:
    globals()[_name] = default_style()(globals()[_name])

FIGURES: dict[str, Callable[..., Figure | list[Figure] | bytes]] = {
    "curves": fig_curves,
    "reconstructions": fig_reconstructions,
    "errors": fig_errors,
    "samples": fig_samples,
    "temperatures": fig_temperatures,
    "neighbours": fig_neighbours,
    "latent_scatter": fig_latent_scatter,
    "components": fig_components,
    "manifold": fig_manifold,
    "plane": fig_plane,
    "traversal": fig_traversal,
    "variations": fig_variations,
    "corners": fig_corners,
    "kl_per_dimension": fig_kl_per_dimension,
    "activity": fig_activity,
    "animation": gif_animation,
    "walk": fig_walk,
    "qq": fig_qq,
    "tsne": fig_tsne,
    "neighbour_classes": fig_neighbour_classes,
    "sigma": fig_sigma,
}
ON_REQUEST = (
    *("temperatures", "neighbours", "components", "plane", "variations", "corners", "activity"),
    *("walk", "qq", "tsne", "neighbour_classes", "sigma"),
)
QUICK = frozenset(FIGURES) - frozenset(ON_REQUEST)
"""The figures that are drawn at the end of a training; the others are drawn on request."""
