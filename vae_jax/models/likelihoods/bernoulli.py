"""The Bernoulli likelihood for binary pixels, and the continuous Bernoulli, a density on grey pixels."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.distributions import (
    bernoulli_log_prob,
    continuous_bernoulli_log_prob,
    continuous_bernoulli_mean,
    continuous_bernoulli_sample,
)
from vae_jax.models.likelihoods.pixels import parameters_of_mean, sum_pixels
from vae_jax.types import Config, Images, Likelihood, Params, PerExample, Spec

MeanImage = Float[Array, "H W C"]


def make_bernoulli(config: Config, spec: Spec) -> Likelihood:
    r"""Make the Bernoulli likelihood; outputs are logits. On grey pixels log_prob is minus the cross-entropy, not a mass.

    .. math:: \log p(x \mid z) = \sum_i \left[ x_i \log m_i + (1 - x_i) \log (1 - m_i) \right]
    """

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        return sum_pixels(bernoulli_log_prob(x, outputs))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        return jax.nn.sigmoid(outputs)

    def sample(params: Params, key: PRNGKeyArray, outputs: Images) -> Images:
        return jax.random.bernoulli(key, jax.nn.sigmoid(outputs)).astype(outputs.dtype)

    def output_bias(mean_image: MeanImage) -> MeanImage:
        return jax.scipy.special.logit(jnp.clip(mean_image, 0.001, 0.999))

    return Likelihood(1, lambda key: {}, log_prob, pixel_mean, sample, output_bias, discrete=config.binarize != "none")


def make_continuous_bernoulli(config: Config, spec: Spec) -> Likelihood:
    r"""Make the continuous Bernoulli, a density on [0, 1] (Loaiza-Ganem and Cunningham 2019); outputs are logits of lambda.

    .. math:: p(x \mid z) = \prod_i C(\lambda_i)\, \lambda_i^{x_i} (1 - \lambda_i)^{1 - x_i}

    pixel_mean is the mean of the density, which is nearer to 1/2 than lambda.
    """

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        return sum_pixels(continuous_bernoulli_log_prob(x, outputs))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        return continuous_bernoulli_mean(outputs)

    def sample(params: Params, key: PRNGKeyArray, outputs: Images) -> Images:
        return continuous_bernoulli_sample(key, outputs)

    def output_bias(mean_image: MeanImage) -> MeanImage:
        return parameters_of_mean(continuous_bernoulli_mean, mean_image)

    return Likelihood(1, lambda key: {}, log_prob, pixel_mean, sample, output_bias, discrete=False)
