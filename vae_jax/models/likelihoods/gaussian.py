"""The Gaussian likelihood, with one standard deviation for all pixels: given, learned, or refitted while training."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import real, text
from vae_jax.models.distributions import normal_log_prob, normal_sample
from vae_jax.models.likelihoods.pixels import sum_pixels
from vae_jax.types import Config, Images, Likelihood, Params, PerExample, Spec

REFIT_RATE = 0.05
"""The weight of the newest batch in the refitted variance, about that of a mean over the last 20 to 40 batches."""
SMALLEST_VARIANCE = math.exp(-12)
"""sigma = exp(-6), 0.6 grey levels (Rybkin et al. 2021). Below it a density on 8-bit pixels is meaningless."""


KEYS = (
    real(
        "gaussian.sigma",
        1.0,
        "standard deviation; its initial value if it is learned or optimal",
        "pixel range [0, 1]",
        open_low=True,
    ),
    text(
        "gaussian.sigma_mode",
        "given",
        "standard deviation: gaussian.sigma (given), learned, or optimal, the root mean squared error of the last batches "
        "(sigma-VAE)",
        "given",
        "learned",
        "optimal",
    ),
)


def make_gaussian(config: Config, spec: Spec) -> Likelihood:
    r"""Make the Gaussian likelihood with one standard deviation for all pixels; outputs are the means, unbounded.

    .. math:: p(x \mid z) = \prod_i \mathcal{N}(x_i; m_i, \sigma^2)

    The density is normalised over the whole line; only pixel_mean is clipped to [0, 1]. `config.gaussian.sigma_mode` chooses the
    standard deviation:

    - given: `config.gaussian.sigma`, fixed.
    - learned: params hold its `logvar`, which starts at `config.gaussian.sigma` and is trained with the other parameters.
    - optimal: params hold its `logvar`, which `refit` sets at every step to its maximum-likelihood value: the mean squared
      error of the batch (sigma-VAE, Rybkin et al. 2021, eq. 6), averaged over the last batches.
    """
    given = config.gaussian.sigma_mode == "given"
    initial = 2 * math.log(config.gaussian.sigma)

    def init(key: PRNGKeyArray) -> Params:
        return {} if given else {"logvar": jnp.float32(initial)}

    def logvar_of(params: Params, outputs: Images) -> Float[Array, "1 1 1 1"]:
        return jnp.full((1, 1, 1, 1), initial if given else params["logvar"], outputs.dtype)

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        return sum_pixels(normal_log_prob(x, outputs, logvar_of(params, x)))

    def sample(params: Params, key: PRNGKeyArray, outputs: Images) -> Images:
        return normal_sample(key, outputs, jnp.broadcast_to(logvar_of(params, outputs), outputs.shape))

    def sigma(params: Params, outputs: Images) -> Images:
        return jnp.broadcast_to(jnp.exp(0.5 * logvar_of(params, outputs)), outputs.shape)

    def pixel_mean(params: Params, outputs: Images) -> Images:
        return jnp.clip(outputs, 0.0, 1.0)

    return Likelihood(
        outputs_per_channel=1,
        init=init,
        log_prob=log_prob,
        pixel_mean=pixel_mean,
        sample=sample,
        output_bias=jnp.asarray,
        discrete=False,
        refit=refit if config.gaussian.sigma_mode == "optimal" else None,
        sigma=None if given else sigma,
    )


def refit(params: Params, grads: Params, step: Int32[Array, ""], num_elements: int) -> Params:
    """Return params after a step: the variance moves towards the batch's own maximum-likelihood estimate.

    The estimate is the batch's mean squared error about the outputs. The gradient of the loss for logvar already contains
    it, as H W C / 2 (1 - estimate / variance), so no objective needs to compute it. Under a mapped axis, the averaged
    gradient gives the estimate of the whole batch. The first step takes the estimate alone; step t weighs it by at least 1/t.

    Sigma-VAE scores a batch with that batch's own estimate. Here a step is scored with the average over earlier steps, so
    the loss is a bound of one density, couples no examples, and uses the sigma that evaluation uses. At the optimal sigma
    the gradient of log p for sigma is zero, so the networks' gradients are those of the paper, except for the lag: while
    the error falls, sigma is some 20 steps old and too large. The estimate uses training images, with dropout on and z
    sampled. If the model overfits, sigma is too small for other images, and their elbo is lower.

    Args:
        params: the likelihood's own parameters before the step.
        grads: the gradients of the mean loss for params; nats per image, with the reconstruction's weight being 1.
        step: the number of steps taken before.
        num_elements: H W C.
    """
    variance = jnp.exp(params["logvar"])
    estimate = variance * (1 - 2 * grads["logvar"] / num_elements)
    rate = jnp.maximum(1 / (step + 1), REFIT_RATE)
    return {"logvar": jnp.log(jnp.maximum(variance + rate * (estimate - variance), SMALLEST_VARIANCE))}
