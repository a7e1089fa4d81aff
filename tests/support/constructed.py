"""Codes and models whose every number is known."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from support.models import constructed_model, normal_log_posterior, standard_log_prob
from vae_jax.evaluation.health.codes import Codes
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.types import Draw, Model, Posterior


def normal(x, mean, logvar):
    return (-0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 * np.exp(-logvar))).sum(axis=1)


def codes_of(mean: np.ndarray, variance: float | np.ndarray, seed: int = 0) -> Codes:
    """Codes of posteriors N(mean [N, Z], variance) under the prior N(0, I)."""
    mean = np.asarray(mean, np.float32)
    logvar = np.log(np.broadcast_to(np.float32(variance), mean.shape))
    z = mean + np.exp(logvar / 2) * np.random.default_rng(seed).normal(size=mean.shape).astype(np.float32)
    zero = np.zeros_like(z)
    kl_terms = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar)
    densities = np.zeros(len(mean)), normal(z, mean, logvar), normal(z, zero, zero)
    return Codes(Posterior(mean, logvar), z, mean, z.astype(np.float64), kl_terms, *densities)  # pyright: ignore[reportArgumentType]


def draws(count: int, size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size))


def exact(count: int, size: int, variance: float) -> Codes:
    """Posteriors of this variance whose aggregate is exactly N(0, I): I(x; z) = -size/2 log(variance)."""
    return codes_of(math.sqrt(1 - variance) * draws(count, size), variance)


def perfect(count: int) -> Codes:
    """Each image its own narrow place: I(x; z) = log of the number of images, whatever that is."""
    return codes_of(np.stack([np.arange(count) % 30, np.arange(count) // 30], axis=1) / 5.0 - 3, 1e-6)


def useless(count: int, size: int = 3) -> Codes:
    """Every posterior is the prior."""
    return codes_of(np.zeros((count, size)), 1.0)


def duplicated(count: int, variance: float) -> Codes:
    """Two dimensions with one mean and noise of their own, each N(0, 1) by itself, their correlation 1 - variance."""
    return codes_of(math.sqrt(1 - variance) * draws(count, 1).repeat(2, axis=1), variance)


def scrambled(count: int, pairs: int = 2, variance: float = 0.01) -> Codes:
    """Each dimension N(0, 1) by itself and none correlated with another, but pairs share their absolute value."""
    first = math.sqrt(1 - variance) * draws(count, pairs)
    signs = np.random.default_rng(2).choice([-1, 1], size=first.shape)
    return codes_of(np.concatenate([first, signs * first], axis=1), variance)


SIDE = 4
SIZE = 2
NOISE = 0.05
SLOPES = 0.1 * np.array([[1.0] * 16, [1.0, -1.0] * 8]) * np.array([[1.0], [0.7]])
"""Orthogonal, so that the exact posterior is a diagonal Gaussian."""
EXACT_VARIANCE = 1 / (1 + (SLOPES**2).sum(axis=1) / NOISE**2)


def linear_gaussian(shift: float = 0.0, widen: float = 1.0, signal: float = 1.0) -> Model:
    """x = 1/2 + z W + noise on 4 x 4 pixels; q is the exact posterior, its mean shifted, its variance widened by a factor.

    With signal = 0 the encoder answers with the prior whatever it sees. All is without parameters.
    """
    weights, exact_variance = jnp.asarray(SLOPES, jnp.float32), jnp.asarray(EXACT_VARIANCE, jnp.float32)

    def encode(params: Any, x: Any, key: Any = None) -> Posterior:
        mean = (x.reshape(len(x), -1) - 0.5) @ weights.T / NOISE**2 * exact_variance[None] + shift
        logvar = jnp.broadcast_to(jnp.log(widen * exact_variance)[None], mean.shape)
        return Posterior(signal * mean, signal * logvar)

    def decode(params: Any, z: Any, key: Any = None) -> Any:
        return (0.5 + z @ weights).reshape(len(z), SIDE, SIDE, 1)

    def log_likelihood(params: Any, x: Any, outputs: Any) -> Any:
        return normal_log_prob(x, outputs, jnp.full_like(x, 2 * math.log(NOISE))).sum(axis=(1, 2, 3))

    return constructed_model(
        encode=encode,
        decode=decode,
        log_likelihood=log_likelihood,
        pixel_mean=lambda params, outputs: outputs,
        sample_prior=lambda params, key, n, temperature=1.0: temperature * jax.random.normal(key, (n, SIZE)),
        kl_terms=lambda params, q, draw: normal_kl_standard(q.mean, q.logvar),
        kl_names=("z1", "z2"),
        standard_prior=True,
    )


def linear_images(count: int, seed: int) -> np.ndarray:
    """Images of that model, as bytes."""
    rng = np.random.default_rng(seed)
    x = 0.5 + rng.normal(size=(count, SIZE)) @ SLOPES + NOISE * rng.normal(size=(count, SIDE**2))
    return (255 * x).round().clip(0, 255).astype(np.uint8).reshape(count, SIDE, SIDE, 1)


def linear_log_p(images: np.ndarray) -> np.ndarray:
    """log p(x) of the same model, nats, for each image."""
    x = images.reshape(len(images), -1) / 255 - 0.5
    covariance = SLOPES.T @ SLOPES + NOISE**2 * np.eye(SIDE**2)
    quadratic = (x @ np.linalg.inv(covariance) * x).sum(axis=1)
    return -0.5 * (quadratic + np.linalg.slogdet(2 * math.pi * covariance)[1])


def two_layers() -> Model:
    """The same images from z = (z1, z2): z2 ~ N(0, I), z1 given z2 is N(r z2, 1 - r^2), so that z1 alone is N(0, I).

    The posterior's numbers are those of z1; z2 is drawn given z1 by q = p(z2|z1).
    """
    plain, r = linear_gaussian(), 0.5
    rest = math.log(1 - r**2)

    def beside(z: Any, other: Any) -> Any:
        return normal_log_prob(z, r * other, jnp.full_like(z, rest))

    def reparameterize(params: Any, key: Any, q: Any) -> Draw:
        keys = (None, None) if key is None else jax.random.split(key)
        z1 = plain.reparameterize(params, keys[0], q).z
        z = z1, r * z1 if keys[1] is None else normal_sample(keys[1], r * z1, jnp.full_like(z1, rest))
        return Draw(z, log_posterior(params, q, z))

    def log_posterior(params: Any, q: Any, z: Any) -> Any:
        return normal_log_posterior(params, q, z[0]) + beside(z[1], z[0]).sum(axis=1)

    def sample_prior(params: Any, key: Any, n: int, temperature: float = 1.0) -> Any:
        keys = jax.random.split(key)
        z2 = jax.random.normal(keys[0], (n, SIZE))
        return normal_sample(keys[1], r * z2, jnp.full_like(z2, rest)), z2

    def kl_terms(params: Any, q: Any, draw: Draw) -> Any:
        z, zero = draw.z, jnp.zeros_like(draw.z[1])
        lower = normal_log_prob(z[0], q.mean, q.logvar) - beside(z[0], z[1])
        return jnp.concatenate([lower, beside(z[1], z[0]) - normal_log_prob(z[1], zero, zero)], axis=1)

    assert plain.pixel_mean is not None
    return constructed_model(
        encode=plain.encode,
        reparameterize=reparameterize,
        decode=lambda params, z, key=None: plain.decode(params, z[0]),
        log_likelihood=plain.log_likelihood,
        pixel_mean=plain.pixel_mean,
        log_prior=lambda params, z: standard_log_prob(params, z[1]) + beside(z[0], z[1]).sum(axis=1),
        sample_prior=sample_prior,
        log_posterior=log_posterior,
        kl_terms=kl_terms,
        kl_names=("lower z1", "lower z2", "upper z1", "upper z2"),
    )._replace(view=lambda params, z: z[0], place=None)
