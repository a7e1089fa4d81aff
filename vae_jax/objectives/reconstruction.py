"""The autoencoder's objective: minus the log-likelihood of an image given its own code."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.models.likelihoods.pixels import mean_pixels
from vae_jax.types import Config, Corrupt, Hparams, Images, Model, Objective, Params, Terms


def make_reconstruction(
    config: Config,
    model: Model,
    steps_per_epoch: int,
    axis_name: str | None = None,
    corrupt: Corrupt = lambda key, x: x,
) -> Objective:
    """Make the objective loss = -log p(x|code of corrupt(key, x)), nats per image; by default x is not corrupted.

    With the gaussian likelihood it is the squared error divided by 2 sigma^2, plus a constant.

    Terms: loss and mse (mean over pixels and channels), both against x itself.
    """

    def objective(
        params: Params, key: PRNGKeyArray, x: Images, step: Int32[Array, ""], hparams: Hparams, train: bool = True
    ) -> Terms:
        # The number and order of these keys is part of bit-equal resume; elbo.py splits into three.
        key_code, key_encode, key_decode, key_corrupt = jax.random.split(key, 4)
        posterior = model.encode(params, corrupt(key_corrupt, x), key_encode if train else None)
        z = model.reparameterize(params, key_code, posterior)
        outputs = model.decode(params, z, key_decode if train else None)
        mse = mean_pixels(jnp.square(x - model.pixel_mean(params, outputs)))
        return {"loss": -model.log_likelihood(params, x, outputs), "mse": mse}

    return objective
