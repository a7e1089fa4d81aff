"""What figures are drawn from: arrays in, arrays out. Codes, projections, grids, walks, t-SNE, distances from the prior."""

from vae_jax.latents.arrays import ARRAYS, NUM_RECONSTRUCTIONS, random_rows
from vae_jax.latents.drawing import attempt, draw
from vae_jax.latents.geometry import project
from vae_jax.latents.source import Request, Source

__all__ = ["ARRAYS", "NUM_RECONSTRUCTIONS", "Request", "Source", "attempt", "draw", "project", "random_rows"]
