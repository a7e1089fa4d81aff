"""The discretised logistic likelihood for 8-bit pixels."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.distributions import LEVELS, discretized_logistic_log_prob
from vae_jax.models.likelihoods.pixels import sum_pixels
from vae_jax.types import Config, Images, Likelihood, Outputs, Params, PerExample, Spec

SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE = -8.0, 4.0
"""At the smallest, a bin centred on the mean holds 0.994 of the mass. Salimans et al. stop at -7 for a range of [-1, 1]."""
INITIAL_LOG_SCALE = -2.0
"""A standard deviation of 0.25, about that of pixels in natural images."""


def make_discretized_logistic(config: Config, spec: Spec) -> Likelihood:
    r"""Make the logistic rounded to the 256 levels k/255, a mass (Salimans et al. 2017, section 2.1, one component).

    .. math:: P(x_i = k / 255 \mid z) = \mathrm{sigmoid}\left( \frac{(k + 1/2) / 255 - m_i}{s_i} \right)
        - \mathrm{sigmoid}\left( \frac{(k - 1/2) / 255 - m_i}{s_i} \right)

    Outputs are the C means, in pixel units, followed by the C log scales, clipped to [-8, 4]. The bins of 0 and 255 are
    open outwards, so the masses of the 256 levels sum to 1 for any mean. x holds k/255 and is rounded to the nearest level.

    pixel_mean is the mean of the logistic clipped to [0, 1], before rounding. It is always within half a level of E[x|z],
    and within 1e-5 of it if the scale is at least one level (1/255).
    """

    def log_prob(params: Params, x: Images, outputs: Outputs) -> PerExample:
        return sum_pixels(discretized_logistic_log_prob(x, *_split(outputs)))

    def pixel_mean(params: Params, outputs: Outputs) -> Images:
        mean, log_scale = _split(outputs)
        scale = jnp.exp(log_scale)
        softplus = jax.nn.softplus
        # The integral of P(X > t) over [0, 1], written with the two small tails so that nothing cancels.
        tails = scale * (softplus(-jnp.abs(mean) / scale) - softplus(-jnp.abs(mean - 1) / scale))
        return jnp.clip(jnp.clip(mean, 0, 1) + tails, 0, 1)

    def sample(params: Params, key: PRNGKeyArray, outputs: Outputs) -> Images:
        mean, log_scale = _split(outputs)
        drawn = mean + jnp.exp(log_scale) * jax.random.logistic(key, mean.shape, mean.dtype)
        return jnp.round(jnp.clip(drawn, 0, 1) * (LEVELS - 1)) / (LEVELS - 1)

    def sigma(params: Params, outputs: Outputs) -> Images:
        return jnp.exp(_split(outputs)[1]) * (math.pi / math.sqrt(3))

    def output_bias(mean_image: Float[Array, "H W C"]) -> Float[Array, "H W F"]:
        clipped, scale = jnp.clip(mean_image, 0.001, 0.999), jnp.exp(INITIAL_LOG_SCALE)
        mean = clipped + scale * (jnp.log(-jnp.expm1(-clipped / scale)) - jnp.log(-jnp.expm1((clipped - 1) / scale)))
        return jnp.concatenate([mean, jnp.full_like(mean, INITIAL_LOG_SCALE)], axis=-1)

    return Likelihood(2, lambda key: {}, log_prob, pixel_mean, sample, output_bias, discrete=True, sigma=sigma)


def _split(outputs: Outputs) -> tuple[Images, Images]:
    mean, log_scale = jnp.split(outputs, 2, axis=-1)
    return mean, jnp.clip(log_scale, SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE)
