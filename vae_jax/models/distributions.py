"""Log-probabilities and divergences for likelihoods, priors and posteriors, in nats."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.polynomial import Chebyshev, Polynomial

LOG_TWO_PI = math.log(2 * math.pi)
LOG1P_RATIO = tuple(
    Chebyshev.interpolate(lambda e: np.log1p(e) / e, 9, domain=[0, 1]).convert(kind=Polynomial).coef.tolist()
)
"""Coefficients, lowest first, of a polynomial equal to log(1 + e) / e for 0 <= e <= 1 up to a relative error of 1e-8."""


@jax.custom_vjp
def bernoulli_log_prob(x: Float[Array, "*shape"], logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the log-probability of x under a Bernoulli with logits l, elementwise: x l - softplus(l), nats.

    For x strictly between 0 and 1 it is minus the cross-entropy: the mean log-probability over b ~ Bernoulli(x).
    It is finite for every finite logit. The derivative x - sigmoid(l) is written out, which saves a pass over the pixels.
    """
    return x * logits - softplus(logits)


def softplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return log(1 + exp(x)), elementwise, to the last digits of a float32; finite for every finite x.

    It is max(x, 0) + log(1 + e) with e = exp(-|x|), and log(1 + e) is e times a polynomial. On a CPU, XLA's log1p takes three
    times as long, a third of the time of a dense decoder's log p(x|z). Types other than float32 use jax.nn.softplus.
    """
    if x.dtype != jnp.float32:
        return jax.nn.softplus(x)
    e = jnp.exp(-jnp.abs(x))
    ratio = jnp.full_like(x, LOG1P_RATIO[-1])
    for coefficient in LOG1P_RATIO[-2::-1]:
        ratio = ratio * e + coefficient
    return jnp.maximum(x, 0) + e * ratio


def _bernoulli_forward(x: Array, logits: Array) -> tuple[Array, tuple[Array, Array]]:
    return bernoulli_log_prob(x, logits), (x, logits)


def _bernoulli_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, logits = residuals
    return cotangent * logits, cotangent * (x - jax.nn.sigmoid(logits))


bernoulli_log_prob.defvjp(_bernoulli_forward, _bernoulli_backward)


def normal_log_prob(
    x: Float[Array, "*#shape"], mean: Float[Array, "*#shape"], logvar: Float[Array, "*#shape"]
) -> Float[Array, "..."]:
    """Return the log-density of x under N(mean, exp(logvar)), elementwise, nats; the arguments broadcast."""
    return -0.5 * (LOG_TWO_PI + logvar + jnp.square(x - mean) * jnp.exp(-logvar))


def normal_sample(
    key: PRNGKeyArray, mean: Float[Array, "*shape"], logvar: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Draw mean + exp(logvar / 2) eps from N(mean, exp(logvar)), differentiable in both (Kingma and Welling 2014, eq. 10)."""
    return mean + jnp.exp(0.5 * logvar) * jax.random.normal(key, mean.shape, mean.dtype)


def normal_kl_standard(mean: Float[Array, "*shape"], logvar: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return KL(N(mean, exp(logvar)) || N(0, 1)), elementwise, nats (Kingma and Welling 2014, appendix B).

    `expm1(logvar) - logvar` is accurate for a posterior close to the prior, where exp(logvar) - 1 - logvar cancels.
    """
    return 0.5 * (jnp.square(mean) + jnp.expm1(logvar) - logvar)


LEVELS = 256
"""The number of values k / 255 of an 8-bit pixel."""
SMALL_LOGIT = 1.0
"""Below it, series replace the closed forms of the continuous Bernoulli's mean and variance, which cancel around 0."""


def continuous_bernoulli_log_prob(x: Float[Array, "*shape"], logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the log-density of x in [0, 1] under a continuous Bernoulli whose lambda has logits l, elementwise, nats.

    x l - softplus(l) + log C(lambda) of Loaiza-Ganem and Cunningham (2019, eq. 7) is x l - A(l), where A(l) is the log of
    the integral of exp(x l) over [0, 1], log((exp(l) - 1) / l). It is finite for every finite logit.
    """
    return x * logits - _log_integral(logits)


@jax.custom_jvp
def _log_integral(logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return A(l) = log((exp(l) - 1) / l) = max(l, 0) + log((1 - exp(-|l|)) / |l|)."""
    size = jnp.abs(logits)
    apart = jnp.where(size < 1e-3, 1.0, size)
    # Around 0 the second term is -|l| / 2 + O(l^2 / 24).
    return jnp.maximum(logits, 0) + jnp.where(size < 1e-3, -size / 2, jnp.log(-jnp.expm1(-apart) / apart))


@_log_integral.defjvp
def _log_integral_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _log_integral(*primals), continuous_bernoulli_mean(*primals) * tangents[0]


@jax.custom_jvp
def continuous_bernoulli_mean(logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return a continuous Bernoulli's mean A'(l) = 1 / (1 - exp(-l)) - 1 / l, elementwise, in [0, 1]; 1/2 at l = 0."""
    size = jnp.abs(logits)
    small = jnp.where(size < SMALL_LOGIT, logits, 0.0)
    apart = jnp.where(size < SMALL_LOGIT, SMALL_LOGIT, size)
    square = small * small
    series = 0.5 + small * (1 / 12 - square * (1 / 720 - square * (1 / 30240 - square / 1209600)))
    from_edge = 1 / apart - 1 / jnp.expm1(apart)
    return jnp.where(size < SMALL_LOGIT, series, jnp.where(logits < 0, from_edge, 1 - from_edge))


@continuous_bernoulli_mean.defjvp
def _continuous_bernoulli_mean_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (logits,) = primals
    size = jnp.abs(logits)
    square = jnp.where(size < SMALL_LOGIT, size, 0.0) ** 2
    apart = jnp.where(size < SMALL_LOGIT, SMALL_LOGIT, size)
    series = 1 / 12 - square * (1 / 240 - square * (1 / 6048 - square / 172800))
    variance = 1 / apart**2 - jnp.exp(-apart) / jnp.expm1(-apart) ** 2
    gradient = jnp.where(size < SMALL_LOGIT, series, variance)
    return continuous_bernoulli_mean(logits), gradient * tangents[0]


def continuous_bernoulli_sample(key: PRNGKeyArray, logits: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Draw from a continuous Bernoulli whose lambda has these logits, by the inverse of its distribution function.

    P(X <= x) = (exp(l x) - 1) / (exp(l) - 1), so x = log(1 + u (exp(l) - 1)) / l. It is computed for -|l|, whose exponential
    cannot overflow, and mirrored.
    """
    uniform = jax.random.uniform(key, logits.shape, logits.dtype)
    size = jnp.abs(logits)
    apart = jnp.where(size < 1e-3, 1.0, size)
    x = jnp.where(size < 1e-3, uniform, -jnp.log1p(uniform * jnp.expm1(-apart)) / apart)
    return jnp.where(logits > 0, 1 - x, x)


def discretized_logistic_log_prob(
    x: Float[Array, "*shape"], mean: Float[Array, "*shape"], log_scale: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the log-mass of a logistic on the bin of x = k/255, elementwise, nats (Salimans et al. 2017, eq. 2).

    A bin reaches half a level, 1/510, to both sides. The bins of 0 and 255 are open outwards, so the 256 masses sum to 1.
    With a and b the standardised edges, sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)). Nothing cancels
    in its logarithm, so it is finite and exact however far x is from the mean.
    """
    level = jnp.round(x * (LEVELS - 1))
    inverse_scale = jnp.exp(-log_scale)
    below = jax.nn.log_sigmoid(((level + 0.5) / (LEVELS - 1) - mean) * inverse_scale)
    above = jax.nn.log_sigmoid((mean - (level - 0.5) / (LEVELS - 1)) * inverse_scale)
    inside = below + above + jnp.log(-jnp.expm1(-inverse_scale / (LEVELS - 1)))
    return jnp.where(level <= 0, below, jnp.where(level >= LEVELS - 1, above, inside))
