"""Brackets for the information of codes about their images, and for the distance of all codes from the prior, by mixtures.

With q_N the mixture of N encoders, log q_N(z_i) is too high if z_i's own encoder is one of the N, and too low if it is left
out, both on average over data. So the mutual information and the divergence are between the two estimates (Hoffman and
Johnson 2016; Poole et al. 2019, eqs. 13 and 14). In E_x KL(q(z|x) || p) = I(x; z) + KL(q || p), the second term is the cost of
an aggregate posterior that is not the prior.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from vae_jax.evaluation.health.codes import Codes, Labels
from vae_jax.models import given, require_rate
from vae_jax.types import Model, Params, Posterior

LOG_TWO_PI = math.log(2 * math.pi)
BLOCK = 500
"""The number of codes whose densities under all encoders are in memory at once: 40 MB for 10,000."""
BLOCK_OF_A_MODEL = 20
MOST_PAIRED_BY_MODEL = 1000
"""The most images whose pairs all go through a model's own `log_posterior`, if it is not a diagonal Gaussian."""

Pairs = Callable[[slice], Float[np.ndarray, "b N"]]
"""(rows i) -> log q(z_i|x_j) for all j, nats."""


class Mixture(NamedTuple):
    """The log q(z_i) of the aggregate posterior, nats, for each of N codes."""

    with_own: Float[np.ndarray, " N"]
    """The log of the mean over all N encoders."""
    without_own: Float[np.ndarray, " N"]
    """The log of the mean over the N - 1 others."""


class Bracket(NamedTuple):
    """Two estimates that enclose a quantity on average, with their standard errors over images, nats."""

    low: float
    high: float
    low_error: float
    high_error: float


def mixture(pairs: Pairs, log_own: Float[np.ndarray, " N"]) -> Mixture:
    """Return the aggregate posterior's density at every code, from N x N densities, a block of rows at a time."""
    count = len(log_own)
    size = BLOCK if count > BLOCK else count
    others = np.empty(count)
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
        block = pairs(rows)
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = -np.inf
        top = block.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            np.exp(np.subtract(block, top, out=block), out=block)
        others[rows] = np.log(block.sum(axis=1)) + top[:, 0]
    own = log_own.astype(np.float64)
    return Mixture(np.logaddexp(others, own) - math.log(count), others - math.log(count - 1))


def gaussian_pairs(
    z: Float[np.ndarray, "N Z"], mean: Float[np.ndarray, "N Z"], logvar: Float[np.ndarray, "N Z"]
) -> Pairs:
    """Make `Pairs` of diagonal Gaussians.

    (z - m)^2 / v is expanded, so that a block is two matrix products; float64, because terms cancel.
    """
    z, mean, logvar = (np.asarray(values, np.float64) for values in (z, mean, logvar))
    precision = np.exp(-logvar)
    constants = (logvar + np.square(mean) * precision + LOG_TWO_PI).sum(axis=1)
    linear = mean * precision

    def pairs(rows: slice) -> Float[np.ndarray, "b N"]:
        block = np.square(z[rows]) @ precision.T
        block -= 2 * (z[rows] @ linear.T)
        block += constants
        block *= -0.5
        return block

    return pairs


def model_pairs(model: Model, params: Params, codes: Codes, labels: Labels = None) -> Pairs:
    """Make `Pairs` of any model: `log_posterior` of every z under every posterior."""
    require_rate(model)
    count = len(codes.elbo)

    @jax.jit
    def block(params: Params, posterior: object, z: object, labels: Int32[Array, " N"] | None) -> Float[Array, "b N"]:
        log_posterior = require_rate(given(model, labels))[1].log_posterior
        assert log_posterior is not None

        def densities(one: object) -> Float[Array, " N"]:
            return log_posterior(
                params, posterior, jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), one)
            )

        return jax.lax.map(densities, z, batch_size=BLOCK_OF_A_MODEL)

    def pairs(rows: slice) -> Float[np.ndarray, "b N"]:
        z = jax.tree.map(lambda a: a[rows], codes.z)
        # Far from a posterior the inverse of a flow can overflow: the density is 0 there.
        found = np.asarray(block(params, codes.posterior, z, labels), np.float64)
        return np.where(np.isnan(found), -np.inf, found)

    return pairs


def pairs_of(model: Model, params: Params, codes: Codes, labels: Labels = None) -> tuple[Pairs, int]:
    """Return (pairs, their number of images): all, or the first 1,000 if posteriors are not diagonal Gaussians."""
    if isinstance(codes.posterior, Posterior) and isinstance(codes.z, np.ndarray):
        mean, logvar = (np.asarray(values) for values in codes.posterior)
        own = -0.5 * (LOG_TWO_PI + logvar + np.square(codes.z - mean) * np.exp(-logvar)).sum(axis=1)
        if np.allclose(own, codes.log_own, rtol=1e-3, atol=1e-2):
            return gaussian_pairs(codes.z, mean, logvar), len(codes.elbo)
    few = codes.first(MOST_PAIRED_BY_MODEL)
    return model_pairs(model, params, few, labels if labels is None else labels[: len(few.elbo)]), len(few.elbo)


def mutual_information(density: Mixture, codes: Codes) -> Bracket:
    """Return I(x; z) under the encoder, nats: E[log q(z|x) - log q(z)].

    The low estimate, with the own encoder, is at most log N; the high one is at most E[KL].
    """
    with_own, without_own, rate = codes.log_own - density.with_own, codes.log_own - density.without_own, codes.kl
    upper = rate if rate.mean() < without_own.mean() else without_own
    return _bracket(with_own, upper)


def marginal_kl(density: Mixture, codes: Codes) -> Bracket:
    """Return KL(q(z) || p(z)) of the aggregate posterior, nats: E[log q(z) - log p(z)], at least 0."""
    bracket = _bracket(density.without_own - codes.log_prior, density.with_own - codes.log_prior)
    return bracket._replace(low=max(bracket.low, 0.0), high=max(bracket.high, 0.0))


def _bracket(lower: Float[np.ndarray, " N"], upper: Float[np.ndarray, " N"]) -> Bracket:
    """Return the bracket of the means; if noise makes them cross, both are the lower one."""
    low, high = float(lower.mean()), float(upper.mean())
    errors = (float(values.std(ddof=1) / math.sqrt(len(values))) for values in (lower, upper))
    return Bracket(low, max(low, high), *errors)
