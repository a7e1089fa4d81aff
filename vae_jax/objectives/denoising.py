"""The denoising autoencoder's objective (Vincent et al. 2010): the clean image, given the code of a noisy one."""

import jax
from jaxtyping import PRNGKeyArray

from vae_jax.objectives.reconstruction import make_reconstruction
from vae_jax.types import Config, Corrupt, Images, Model, Objective


def make_noise(config: Config) -> Corrupt:
    """(key, x[B,H,W,C]) -> x + N(noise_mean, noise_std^2) for every pixel and channel, not clipped."""

    def corrupt(key: PRNGKeyArray, x: Images) -> Images:
        return x + config.noise_mean + config.noise_std * jax.random.normal(key, x.shape, x.dtype)

    return corrupt


def make_denoising(config: Config, model: Model, steps_per_epoch: int, axis_name: str | None = None) -> Objective:
    """loss = -log p(x|code of x + noise), nats per image; the noise stays in evaluation (train=False).

    Terms: loss and mse (mean over pixels and channels), noisy to clean.
    """
    return make_reconstruction(config, model, steps_per_epoch, axis_name, make_noise(config))
