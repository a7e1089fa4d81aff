"""The discretised logistic distribution of 8-bit pixels."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.models.distributions import discretized_logistic_log_prob
from vae_jax.models.likelihoods.parameters import no_params
from vae_jax.models.likelihoods.pixels import sum_pixels
from vae_jax.types import Config, Images, Likelihood, Outputs, Params, PerExample

SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE = -8.0, 4.0
"""At the smallest a bin in its middle holds 0.994 of the mass; Salimans et al. stop at exp(-7) of a range twice as long."""
INITIAL_LOG_SCALE = -2.0
"""A standard deviation of 0.25, about that of a natural pixel."""


def make_discretized_logistic(config: Config) -> Likelihood:
    """Logistic pixels rounded to the 256 levels k/255 (Salimans et al. 2017, section 2.1, one component): a mass.

    Outputs are the C means, in pixel units, and then the C log scales, clipped to [-8, 4]. The bins of 0 and 255 are open,
    so the masses of the 256 levels sum to 1 wherever the mean lies. x holds k/255; it is rounded to the nearest.

    pixel_mean is the mean of the logistic clipped to [0, 1] and not yet rounded: within half a level of E[x|z] always, and
    within 1e-5 of it from a scale of one level (1/255) on.
    """
    del config

    def log_prob(params: Params, x: Images, outputs: Outputs) -> PerExample:
        del params
        return sum_pixels(discretized_logistic_log_prob(x, *_split(outputs)))

    def pixel_mean(params: Params, outputs: Outputs) -> Images:
        del params
        mean, log_scale = _split(outputs)
        scale = jnp.exp(log_scale)
        softplus = jax.nn.softplus
        # The integral of P(X > t) over [0, 1]. Reflected so that the two terms are small, they do not cancel.
        tails = scale * (softplus(-jnp.abs(mean) / scale) - softplus(-jnp.abs(mean - 1) / scale))
        return jnp.clip(jnp.clip(mean, 0, 1) + tails, 0, 1)

    def output_bias(mean_image: Float[Array, "H W C"]) -> Float[Array, "H W F"]:
        clipped, scale = jnp.clip(mean_image, 0.001, 0.999), jnp.exp(INITIAL_LOG_SCALE)
        mean = clipped + scale * (jnp.log(-jnp.expm1(-clipped / scale)) - jnp.log(-jnp.expm1((clipped - 1) / scale)))
        return jnp.concatenate([mean, jnp.full_like(mean, INITIAL_LOG_SCALE)], axis=-1)

    return Likelihood(2, no_params, log_prob, pixel_mean, output_bias, discrete=True)


def _split(outputs: Outputs) -> tuple[Images, Images]:
    mean, log_scale = jnp.split(outputs, 2, axis=-1)
    return mean, jnp.clip(log_scale, SMALLEST_LOG_SCALE, LARGEST_LOG_SCALE)
