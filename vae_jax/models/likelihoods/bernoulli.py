"""Bernoulli pixels, and their density on grey ones, the continuous Bernoulli. Outputs are logits."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from vae_jax.models.distributions import bernoulli_log_prob, continuous_bernoulli_log_prob, continuous_bernoulli_mean
from vae_jax.models.likelihoods.parameters import no_params
from vae_jax.models.likelihoods.pixels import sum_pixels
from vae_jax.types import Config, Images, Likelihood, Params, PerExample

MeanImage = Float[Array, "H W C"]


def make_bernoulli(config: Config) -> Likelihood:
    """Bernoulli pixels, outputs are logits. On grey pixels log_prob is minus the binary cross-entropy, no mass."""

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        del params
        return sum_pixels(bernoulli_log_prob(x, outputs))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        del params
        return jax.nn.sigmoid(outputs)

    def output_bias(mean_image: MeanImage) -> MeanImage:
        return jax.scipy.special.logit(jnp.clip(mean_image, 0.001, 0.999))

    return Likelihood(1, no_params, log_prob, pixel_mean, output_bias, discrete=config.binarize != "none")


def make_continuous_bernoulli(config: Config) -> Likelihood:
    """Continuous Bernoulli pixels (Loaiza-Ganem and Cunningham 2019): a density on [0, 1], outputs are logits of lambda.

    pixel_mean is the mean of that density, which is nearer to 1/2 than lambda is.
    """
    del config

    def log_prob(params: Params, x: Images, outputs: Images) -> PerExample:
        del params
        return sum_pixels(continuous_bernoulli_log_prob(x, outputs))

    def pixel_mean(params: Params, outputs: Images) -> Images:
        del params
        return continuous_bernoulli_mean(outputs)

    return Likelihood(1, no_params, log_prob, pixel_mean, _logits_of_mean, discrete=False)


def _logits_of_mean(mean_image: MeanImage) -> MeanImage:
    """The logits whose continuous Bernoulli has these means, by bisection, means clipped to [0.01, 0.99].

    At the clip the logit is 100 (towards the edge it is 1 / distance): from much farther out training does not come back.
    """
    mean_image = jnp.clip(mean_image, 0.01, 0.99)

    def halve(_: Int32[Array, ""], bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) / 2
        above = continuous_bernoulli_mean(middle) > mean_image
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    edge = jnp.full_like(mean_image, 128.0)
    low, high = jax.lax.fori_loop(0, 40, halve, (-edge, edge))
    return (low + high) / 2
