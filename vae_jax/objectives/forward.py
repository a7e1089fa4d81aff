"""The one pass of an objective: encode, draw z, decode, and the log-likelihood of the images."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from vae_jax.models.likelihoods.pixels import mean_pixels
from vae_jax.types import Batch, Corrupt, Draw, Model, Outputs, Params, PerExample


class Pass(NamedTuple):
    """The results of one pass."""

    posterior: Any
    draw: Draw
    outputs: Outputs
    reconstruction: PerExample
    """-log p(x|z), nats."""
    loss: PerExample
    """The reconstruction plus the model's own penalty: the part of the loss that does not depend on the objective."""


def forward(
    model: Model, params: Params, key: PRNGKeyArray, batch: Batch, train: bool, corrupt: Corrupt | None = None
) -> Pass:
    """Encode the images, after `corrupt` if it is given, draw one z of each, decode it, and compare with the images.

    Args:
        model: the model.
        params: its parameters.
        key: the key of z, of dropout and of the corruption.
        batch: the images.
        train: True to use dropout, and the relaxed z of a model that has one.
        corrupt: changes the images that are encoded, but not those that the outputs are compared with.
    """
    # The number and order of these keys is part of bit-equal resume.
    if corrupt is None:
        key_eps, key_encode, key_decode = jax.random.split(key, 3)
        seen = batch.x
    else:
        key_eps, key_encode, key_decode, key_corrupt = jax.random.split(key, 4)
        seen = corrupt(key_corrupt, batch.x)
    posterior = model.encode(params, seen, key_encode if train else None)
    draw_z = model.relax if train and model.relax is not None else model.reparameterize
    draw = draw_z(params, key_eps, posterior)
    outputs = model.decode(params, draw.z, key_decode if train else None)
    reconstruction = -model.log_likelihood(params, batch.x, outputs)
    penalty = 0.0 if model.penalty is None else model.penalty(params, posterior, draw)
    return Pass(posterior, draw, outputs, reconstruction, reconstruction + penalty)


def squared_error(model: Model, params: Params, batch: Batch, outputs: Outputs) -> PerExample:
    """Return the mean squared error of the pixels' means [B]."""
    assert model.pixel_mean is not None
    return mean_pixels(jnp.square(batch.x - model.pixel_mean(params, outputs)))
