"""A run with random parameters."""

import math

import jax
import numpy as np
from conftest import small_config

from vae_jax.models import init_shapes, make_model
from vae_jax.models.networks import Layers
from vae_jax.runs.run import Run
from vae_jax.types import Model, Params, Spec


def random_run(shape, num_classes=0, spec: Spec | None = None, **changes) -> Run:
    """A run whose every parameter is random, as if it were trained: no bias is zero, no scale one."""
    config = small_config(**changes)
    spec = spec or Spec(shape, num_classes)
    model = make_model(config, spec)
    return Run(config, model, random_params(model, spec), spec, 1)


def random_params(model: Model, spec: Spec) -> Params:
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        noise = rng.normal(size=leaf.shape).astype(np.float32)
        if path[-1].key == "kernel":
            return noise / np.float32(math.sqrt(math.prod(leaf.shape[:-1])))
        return (path[-1].key == "scale") + np.float32(0.1) * noise

    # Shapes alone: to draw initial weights and throw them away takes longer than the rest of a test.
    return jax.tree_util.tree_map_with_path(draw, init_shapes(model, spec))


def layers_of(run: Run) -> Layers:
    """Return the layers of a run's model."""
    assert run.model.layers is not None
    return run.model.layers(run.params)
