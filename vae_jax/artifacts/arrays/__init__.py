"""The arrays that figures are drawn from: codes, projections, grids, walks, t-SNE, distances from the prior."""

from vae_jax.artifacts.arrays.geometry import project
from vae_jax.artifacts.arrays.rows import NUM_EXAMPLES, example_rows, examples, in_turn, labels_of_examples, random_rows
from vae_jax.artifacts.arrays.source import Request, Source
from vae_jax.artifacts.arrays.table import ARRAYS
