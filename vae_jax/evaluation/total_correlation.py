"""The total correlation of the aggregate posterior: the dependence of latent dimensions, from exact mixture densities."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.errors import InputError
from vae_jax.evaluation.health.codes import Codes
from vae_jax.evaluation.health.information import LOG_TWO_PI, gaussian_pairs, mixture
from vae_jax.types import Posterior


class TotalCorrelation(NamedTuple):
    """An estimate, in nats."""

    value: float
    error: float
    """The standard error over the draws of z."""


def total_correlation(codes: Codes) -> TotalCorrelation:
    """Return the total correlation of the aggregate posterior of a model with diagonal Gaussian posteriors; see `of_mixture`.

    Args:
        codes: of all training images, whose posteriors make the aggregate posterior.

    Raises:
        InputError: the posteriors are no diagonal Gaussians, or there is one image.
    """
    posterior, z = codes.posterior, codes.z
    if not (isinstance(posterior, Posterior) and isinstance(z, np.ndarray) and len(z) > 1):
        raise InputError("the exact total correlation needs diagonal Gaussian posteriors of two or more images")
    return of_mixture(z, np.asarray(posterior.mean), np.asarray(posterior.logvar))


def of_mixture(
    z: Float[np.ndarray, "N Z"], mean: Float[np.ndarray, "N Z"], logvar: Float[np.ndarray, "N Z"]
) -> TotalCorrelation:
    """Return TC = E[log q(z) - sum_k log q(z_k)] of q, the mixture of N diagonal Gaussians with equal weights.

    Both densities are exact, in float64 and in blocks of rows; N^2 Z exponentials are computed. Only the expectation is
    estimated, from one z of each Gaussian. This is unbiased. The standard error ignores that each Gaussian gives exactly one z,
    so it is a little too large.
    """
    z, mean, logvar = (np.asarray(values, np.float64) for values in (z, mean, logvar))
    joint = _log_density(z, mean, logvar)
    ratios = joint - sum(_log_density(z[:, k, None], mean[:, k, None], logvar[:, k, None]) for k in range(z.shape[1]))
    return TotalCorrelation(float(ratios.mean()), float(ratios.std(ddof=1) / math.sqrt(len(ratios))))


def _log_density(
    z: Float[np.ndarray, "N D"], mean: Float[np.ndarray, "N D"], logvar: Float[np.ndarray, "N D"]
) -> Float[np.ndarray, " N"]:
    """Return log q(z_i) of the mixture for each row, nats."""
    own = -0.5 * (LOG_TWO_PI + logvar + np.square(z - mean) * np.exp(-logvar)).sum(axis=1)
    return mixture(gaussian_pairs(z, mean, logvar), own).with_own
