"""The distance of one sampled z per image from the prior N(0, 1), for each latent dimension."""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri

MOST_QUANTILES = 200
LEVEL = 0.01
"""The probability with which a sample of N(0, 1) leaves the band of a Q-Q plot."""


def quantiles(z: Float[np.ndarray, "N Z"]) -> tuple[Float[np.ndarray, " Q"], Float[np.ndarray, "Q Z"]]:
    """Return (quantiles [Q] of N(0, 1), quantiles [Q, Z] of z), for a Q-Q plot.

    The i-th smallest of N values has probability (i - 1/2) / N (Hazen). At most 200 values are kept, evenly spaced, the
    smallest and the largest among them.
    """
    kept = _kept(len(z))
    return ndtri((kept + 0.5) / len(z)), np.sort(z, axis=0)[kept].astype(np.float64)


def _kept(n: int) -> Int[np.ndarray, " Q"]:
    """Return the ranks, from 0, of the values in a Q-Q plot."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_QUANTILES)).round().astype(int))


def ks_distances(z: Float[np.ndarray, "N Z"]) -> Float[np.ndarray, " Z"]:
    """Return the Kolmogorov-Smirnov distance of every column from N(0, 1): the largest gap between distribution functions.

    `ks_bound` gives its scale. There is no p-value: the aggregate posterior is not N(0, 1), and with enough images every
    test says so.
    """
    n = len(z)
    expected = ndtr(np.sort(z.astype(np.float64), axis=0))
    above = np.arange(1, n + 1)[:, None] / n - expected
    below = expected - np.arange(n)[:, None] / n
    return np.maximum(above, below).max(axis=0)


def ks_bound(n: int) -> float:
    """Return the distance that n draws of N(0, 1) exceed with probability 1%; about 1.63 / sqrt(n)."""
    # Here, not above: scipy.stats takes long to import.
    from scipy.stats import kstwo

    return float(kstwo.ppf(1 - LEVEL, n))


def band(n: int) -> Float[np.ndarray, "2 Q"]:
    """Return the least and the largest quantiles of z whose distance from N(0, 1) is within `ks_bound`, infinite at the ends.

    The band is simultaneous: 99% of samples of N(0, 1) of this size are wholly inside, and a distance above the bound is
    a point outside.
    """
    kept, bound = _kept(n), ks_bound(n)
    return ndtri(np.clip([(kept + 1) / n - bound, kept / n + bound], 0, 1))
