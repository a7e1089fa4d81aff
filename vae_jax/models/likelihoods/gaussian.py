"""Gaussian pixels of one standard deviation: given, learned, or re-estimated while training."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.models.distributions import normal_log_prob
from vae_jax.models.likelihoods.parameters import no_params
from vae_jax.models.likelihoods.pixels import sum_pixels
from vae_jax.types import Config, Images, Likelihood, Params, PerExample

REFIT_RATE = 0.05
"""Weight of the newest batch in the re-estimated variance: that of a mean over the last 20 to 40."""
SMALLEST_VARIANCE = math.exp(-12)
"""sigma = exp(-6) = 0.6 of a grey level, as in Rybkin et al. 2021: below it a density on 8-bit pixels means nothing."""


def make_gaussian(config: Config) -> Likelihood:
    """Gaussian pixels with one standard deviation for all; outputs are the means, unbounded.

    The density is normalised over the whole line, and pixel_mean is clipped to [0, 1]: only for looking. `sigma_mode` says
    where the standard deviation comes from:

    given: `config.sigma`, always.
    learned: params hold its `logvar`, which starts at `config.sigma` and is trained with the rest.
    optimal: params hold its `logvar`, which `refit` sets at every step to its maximum-likelihood value, the mean squared
        error of the batch (sigma-VAE, Rybkin et al. 2021, eq. 6), averaged over the last batches. See `refit`.
    """
    given = config.sigma_mode == "given"
    initial = 2 * math.log(config.sigma)

    def init(key: PRNGKeyArray) -> Params:
        return no_params(key) if given else {"logvar": jnp.float32(initial)}

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        logvar = jnp.full((1, 1, 1, 1), initial if given else params["logvar"], x.dtype)
        return sum_pixels(normal_log_prob(x, outputs, logvar))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        del params
        return jnp.clip(outputs, 0.0, 1.0)

    return Likelihood(
        outputs_per_channel=1,
        init=init,
        log_prob=log_prob,
        pixel_mean=pixel_mean,
        output_bias=jnp.asarray,
        discrete=False,
        refit=refit if config.sigma_mode == "optimal" else None,
    )


def refit(params: Params, grads: Params, step: Int32[Array, ""], num_elements: int) -> Params:
    """The variance after a step: its moving average with the batch's own maximum-likelihood estimate.

    The estimate is the batch's mean squared error about the outputs. The loss's gradient for logvar holds it already, as
    H W C / 2 (1 - estimate / variance), so no objective needs to know of it, and under a mapped axis the mean over the
    axis is that of the whole batch. The first step takes the estimate as it is, step t weighs it by at least 1/t.

    Sigma-VAE scores a batch with that batch's own estimate. Here a step is scored with the average of the steps before it:
    a loss that is a bound of one density, without coupling of the examples, and the number that evaluation uses. At the
    optimum of sigma the gradient of log p for sigma is zero, so the networks' gradients are those of the paper but for the
    lag: while the error falls, sigma is that of some 20 steps ago, too large. It is an estimate on training images
    with dropout on and z sampled: where the model overfits, sigma is too small for others and their elbo pays for it.

    Args:
        params: the likelihood's, before the step.
        grads: of the mean loss, for params; nats per image, the reconstruction's weight being 1.
        step: steps taken before.
        num_elements: H W C.
    """
    variance = jnp.exp(params["logvar"])
    estimate = variance * (1 - 2 * grads["logvar"] / num_elements)
    rate = jnp.maximum(1 / (step + 1), REFIT_RATE)
    return {"logvar": jnp.log(jnp.maximum(variance + rate * (estimate - variance), SMALLEST_VARIANCE))}
