"""The terms of an objective at a step, as tests compute them."""

from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.objectives import make_objective
from vae_jax.types import Batch, Context, Model, Params, Terms


def terms_of(
    config: Any,
    model: Model,
    params: Params,
    key: jax.Array,
    x: jax.Array,
    step: Any = 0,
    beta: float = 1.0,
    train: bool = True,
    axis_name: str | None = None,
) -> Terms:
    """Return the terms of config's objective for images, with ten steps per epoch."""
    context = Context(jnp.int32(step), {"beta": jnp.float32(beta)}, train, axis_name)
    return make_objective(config, model, 10).terms(model, params, key, Batch(x), context)
