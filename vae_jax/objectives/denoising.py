"""The denoising autoencoder's objective (Vincent et al. 2010): predict the clean image from the code of a noisy one."""

import jax
from jaxtyping import PRNGKeyArray

from vae_jax.objectives.reconstruction import make_reconstruction
from vae_jax.types import Config, Corrupt, Images, Model, Objective


def make_noise(config: Config) -> Corrupt:
    """Make a function (key, x[B,H,W,C]) -> x + N(noise_mean, noise_std^2), for every pixel and channel, not clipped."""

    def corrupt(key: PRNGKeyArray, x: Images) -> Images:
        return x + config.noise_mean + config.noise_std * jax.random.normal(key, x.shape, x.dtype)

    return corrupt


def make_denoising(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """Make the objective loss = -log p(x|code of x + noise), nats per image; evaluation (train=False) adds noise too.

    Terms: loss and mse (mean over pixels and channels), both of the output for the noisy x against the clean x.
    """
    return make_reconstruction(config, model, steps_per_epoch, axis_name, make_noise(config))
