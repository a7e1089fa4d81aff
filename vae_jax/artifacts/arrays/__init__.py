"""The arrays that figures are drawn from: codes, projections, grids, walks, t-SNE, distances from the prior."""

from vae_jax.artifacts.arrays.geometry import project
from vae_jax.artifacts.arrays.source import Request, Source
from vae_jax.artifacts.arrays.table import ARRAYS, NUM_RECONSTRUCTIONS, random_rows
