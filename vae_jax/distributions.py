"""Log-probabilities and divergences of the distributions that likelihoods, priors and posteriors are made of, in nats."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

LOG_TWO_PI = math.log(2 * math.pi)


@jax.custom_vjp
def bernoulli_log_prob(x: Float[Array, "*shape"], logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Log-probability of x under a Bernoulli with the given logits, elementwise: x l - softplus(l), nats.

    For x strictly between 0 and 1 it is minus the cross-entropy, the mean of the log-probability over b ~ Bernoulli(x).
    Finite for every finite logit. The derivative for l is written out, x - sigmoid(l): it saves a pass over the pixels.
    """
    return x * logits - jax.nn.softplus(logits)


def _bernoulli_forward(x: Array, logits: Array) -> tuple[Array, tuple[Array, Array]]:
    return bernoulli_log_prob(x, logits), (x, logits)


def _bernoulli_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, logits = residuals
    return cotangent * logits, cotangent * (x - jax.nn.sigmoid(logits))


bernoulli_log_prob.defvjp(_bernoulli_forward, _bernoulli_backward)


def normal_log_prob(
    x: Float[Array, "*#shape"], mean: Float[Array, "*#shape"], logvar: Float[Array, "*#shape"]
) -> Float[Array, "..."]:
    """Log-density of x under N(mean, exp(logvar)), elementwise, nats; the arguments broadcast."""
    return -0.5 * (LOG_TWO_PI + logvar + jnp.square(x - mean) * jnp.exp(-logvar))


def normal_sample(
    key: PRNGKeyArray, mean: Float[Array, "*shape"], logvar: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """A draw mean + exp(logvar / 2) eps of N(mean, exp(logvar)), differentiable in both (Kingma and Welling 2014, eq. 10)."""
    return mean + jnp.exp(0.5 * logvar) * jax.random.normal(key, mean.shape, mean.dtype)


def normal_kl_standard(mean: Float[Array, "*shape"], logvar: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """KL(N(mean, exp(logvar)) || N(0, 1)), elementwise, nats (Kingma and Welling 2014, appendix B).

    `expm1(logvar) - logvar` keeps its digits where the posterior is close to the prior, where 1 + logvar - exp(logvar) loses
    them all.
    """
    return 0.5 * (jnp.square(mean) + jnp.expm1(logvar) - logvar)
