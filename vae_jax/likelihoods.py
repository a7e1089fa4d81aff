"""p(x|z): normalised densities and masses over pixels in [0, 1], summed over the pixels of an image."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.distributions import bernoulli_log_prob, normal_log_prob
from vae_jax.types import Config, Images, Likelihood, Params, PerExample


def _no_params(key: PRNGKeyArray) -> Params:
    del key
    return {}


def _sum_pixels(values: Float[Array, "B H W C"]) -> PerExample:
    return jnp.sum(values, axis=(1, 2, 3))


def make_bernoulli(config: Config) -> Likelihood:
    """Bernoulli pixels, outputs are logits. On grey pixels log_prob is minus the binary cross-entropy."""
    del config

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        del params
        return _sum_pixels(bernoulli_log_prob(x, outputs))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        del params
        return jax.nn.sigmoid(outputs)

    def output_bias(mean_image: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        return jax.scipy.special.logit(jnp.clip(mean_image, 0.001, 0.999))

    return Likelihood(1, _no_params, log_prob, pixel_mean, output_bias)


def make_gaussian(config: Config) -> Likelihood:
    """Gaussian pixels of one given standard deviation `config.sigma`; outputs are the means, unbounded.

    The density is normalised over the whole line, and pixel_mean is clipped to [0, 1]: only for looking.
    """
    logvar = 2 * math.log(config.sigma)

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        del params
        return _sum_pixels(normal_log_prob(x, outputs, jnp.full((1, 1, 1, 1), logvar, x.dtype)))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        del params
        return jnp.clip(outputs, 0.0, 1.0)

    return Likelihood(1, _no_params, log_prob, pixel_mean, jnp.asarray)


LIKELIHOODS: dict[str, Callable[[Config], Likelihood]] = {
    "bernoulli": make_bernoulli,
    "gaussian": make_gaussian,
}


def make_likelihood(config: Config) -> Likelihood:
    """The likelihood that `config.likelihood` names."""
    return LIKELIHOODS[config.likelihood](config)
