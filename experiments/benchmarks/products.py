"""The matrix products of an epoch of an MLP, in one compiled loop: a lower limit of its time."""

import itertools

import jax
import jax.numpy as jnp

from experiments.benchmarks.rounds import Timed
from vae_jax.types import Config

SHIFTS = 64


def make_products(config: Config, num_pixels: int, num_steps: int) -> Timed:
    """Make a function that computes the matrix products of an epoch: y = x W, dW = x^T g, dx = g W^T (not for pixels)."""
    factor = 2 if config.model == "vae" else 1
    encoder = [num_pixels, *config.hidden_dims, factor * config.latent_dim]
    decoder = [config.latent_dim, *config.hidden_dims[::-1], num_pixels]
    layers = [*itertools.pairwise(encoder), *itertools.pairwise(decoder)]
    keys = jax.random.split(jax.random.key(0), 3 * len(layers)).reshape(3, len(layers))
    batch = config.batch_size
    # The rows differ in every step and nothing is constant, because XLA moves what does not change out of the loop.
    xs = [jax.random.normal(k, (batch + SHIFTS, a)) for k, (a, _) in zip(keys[0], layers, strict=True)]
    gs = [jax.random.normal(k, (batch + SHIFTS, b)) for k, (_, b) in zip(keys[1], layers, strict=True)]
    ws = [jax.random.normal(k, (a, b)) / a for k, (a, b) in zip(keys[2], layers, strict=True)]

    def loop(ws: list[jax.Array], xs: list[jax.Array], gs: list[jax.Array]) -> tuple[list[jax.Array], jax.Array]:
        def step(ws: list[jax.Array], shift: jax.Array) -> tuple[list[jax.Array], jax.Array]:
            used, new = jnp.float32(0), []
            for i, (all_x, all_g, w) in enumerate(zip(xs, gs, ws, strict=True)):
                x, g = (jax.lax.dynamic_slice_in_dim(rows, shift, batch) for rows in (all_x, all_g))
                used += (x @ w).max()
                if i > 0:
                    used += (g @ w.T).max()
                new.append(w - 1e-6 * (x.T @ g))
            return new, used

        return jax.lax.scan(step, ws, jnp.arange(num_steps) % SHIFTS)

    compiled = jax.jit(loop)
    return lambda: jax.block_until_ready(compiled(ws, xs, gs))
