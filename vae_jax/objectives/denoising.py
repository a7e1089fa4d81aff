"""The denoising autoencoder's objective (Vincent et al. 2010): predict the clean image from the code of a noisy one."""

import jax
from jaxtyping import PRNGKeyArray

from vae_jax.objectives.reconstruction import make_reconstruction
from vae_jax.types import Config, Images, Objective


def make_denoising(config: Config, steps_per_epoch: int) -> Objective:
    """Make the objective loss = -log p(x|code of x + noise), nats per image; evaluation adds noise too.

    The noise is N(noise_mean, noise_std^2) for every pixel and channel, and is not clipped.

    Terms: loss and mse (mean over pixels and channels), both of the output for the noisy x against the clean x.
    """

    def corrupt(key: PRNGKeyArray, x: Images) -> Images:
        return x + config.noise_mean + config.noise_std * jax.random.normal(key, x.shape, x.dtype)

    return make_reconstruction(config, steps_per_epoch, corrupt)
