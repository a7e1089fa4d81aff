"""A run with random parameters."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from conftest import small_config

from vae_jax.models import make_model
from vae_jax.runs.run import Run


def random_run(shape, **changes) -> Run:
    """A run whose every parameter is random, as if it were trained: no bias is zero, no scale one."""
    config = small_config(**changes)
    model = make_model(config, shape)
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        noise = rng.normal(size=leaf.shape).astype(np.float32)
        if path[-1].key == "kernel":
            return noise / np.float32(math.sqrt(math.prod(leaf.shape[:-1])))
        return (path[-1].key == "scale") + np.float32(0.1) * noise

    # Shapes alone: to draw initial weights and throw them away takes longer than the rest of a test.
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(shape))
    params = jax.tree_util.tree_map_with_path(draw, shapes)
    return Run(config, model, params, shape, 1)
