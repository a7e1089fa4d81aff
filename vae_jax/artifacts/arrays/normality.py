"""The distance of one sampled z per image from the prior N(0, 1), for each latent dimension."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

MOST_QUANTILES = 200


def quantiles(z: Float[np.ndarray, "N Z"]) -> tuple[Float[np.ndarray, " Q"], Float[np.ndarray, "Q Z"]]:
    """Return (quantiles [Q] of N(0, 1), quantiles [Q, Z] of z), for a Q-Q plot.

    The i-th smallest of N values has probability (i - 1/2) / N (Hazen). At most 200 values are kept, evenly spaced, the
    smallest and the largest among them.
    """
    n = len(z)
    kept = np.unique(np.linspace(0, n - 1, min(n, MOST_QUANTILES)).round().astype(int))
    return ndtri((kept + 0.5) / n), np.sort(z, axis=0)[kept].astype(np.float64)


def ks_distances(z: Float[np.ndarray, "N Z"]) -> Float[np.ndarray, " Z"]:
    """Return the Kolmogorov-Smirnov distance of every column from N(0, 1): the largest gap between distribution functions.

    There is no p-value: the aggregate posterior is not N(0, 1), and with enough images every test says so.
    """
    n = len(z)
    expected = ndtr(np.sort(z.astype(np.float64), axis=0))
    above = np.arange(1, n + 1)[:, None] / n - expected
    below = expected - np.arange(n)[:, None] / n
    return np.maximum(above, below).max(axis=0)
