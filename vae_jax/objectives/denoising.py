"""The denoising autoencoder's objective (Vincent et al. 2010): predict the clean image from the code of a noisy one."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from vae_jax.keys import LARGEST_REAL, real
from vae_jax.objectives.reconstruction import best_metric_problems, make_reconstruction
from vae_jax.types import Config, Images, Objective

KEYS = (
    real("denoising.noise_mean", 0.0, "mean of the noise added to the input", "pixel range [0, 1]", -LARGEST_REAL),
    real("denoising.noise_std", 0.0, "standard deviation of the noise added to the input", "pixel range [0, 1]"),
)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of a metric that is missing, and of noise that is none."""
    found = best_metric_problems(flat)
    if flat["denoising.noise_std"] == 0 and flat["denoising.noise_mean"] == 0:
        found.append(
            "denoising.noise_std=0: objective=denoising needs noise; choices: denoising.noise_std above 0, or "
            "denoising.noise_mean not 0"
        )
    return found


def make_denoising(config: Config, steps_per_epoch: int) -> Objective:
    r"""Make the objective loss = -log p(x|code of x + noise), nats per image; evaluation adds noise too.

    .. math:: L = -\log p(x \mid f(x + n)), \quad n \sim \mathcal{N}(m, s^2)

    The noise is N(denoising.noise_mean, denoising.noise_std^2) for every pixel and channel, and is not clipped.

    Terms: loss and mse (mean over pixels and channels), both of the output for the noisy x against the clean x.
    """

    def corrupt(key: PRNGKeyArray, x: Images) -> Images:
        return x + config.denoising.noise_mean + config.denoising.noise_std * jax.random.normal(key, x.shape, x.dtype)

    return make_reconstruction(config, steps_per_epoch, corrupt)
