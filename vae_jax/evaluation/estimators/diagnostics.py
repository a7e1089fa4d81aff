"""Diagnostics of importance weights: the error of their mean, its curve, and whether to trust it. NumPy in float64."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

ENOUGH = 200
"""The effective samples below which an image's estimate is not trusted: its error is above 0.07 nats, and hardly known."""
LARGEST_K = 0.7
TAIL_SHARE, TAIL_ROOT, FEWEST = 0.2, 3.0, 5
"""The fitted tail: min(0.2 S, 3 sqrt(S)) weights, at least 5 (Vehtari et al. 2024)."""
PRIOR_K, PRIOR_COUNT = 0.5, 10
"""A weak prior on k, which counts as PRIOR_COUNT weights (same, appendix G)."""
FEWEST_STEPS = 64
"""The least number of float32 steps between the largest and the smallest log weight of a tail; below it a fit would fit
rounding."""


class Estimate(NamedTuple):
    """The estimate from the weights of each of B images, and its diagnostics."""

    log_p: Float[np.ndarray, " B"]
    """The log of the mean weight, nats: the bound of all S samples."""
    error: Float[np.ndarray, " B"]
    """Its Monte Carlo standard error, nats, by the delta method: sqrt(1 / ess - 1 / S). NaN for S = 1."""
    ess: Float[np.ndarray, " B"]
    """The effective sample size, (sum w)^2 / sum w^2, 1 to S."""
    largest: Float[np.ndarray, " B"]
    """The largest normalised weight, 1 / S to 1."""
    pareto_k: Float[np.ndarray, " B"]
    """The shape of a generalised Pareto distribution fitted to the largest weights, which have about 1 / k finite moments.
    NaN if there are too few to fit."""
    curve: Float[np.ndarray, "B n"]
    """Bounds of fewer samples, see `curve_sizes`, as means over disjoint groups of the same weights."""


def log_mean(log_weights: Float[np.ndarray, "... S"]) -> Float[np.ndarray, "..."]:
    """Return the log of the mean of exp(log_weights) over the last axis; -inf if all weights are 0."""
    values = log_weights.astype(np.float64)
    top = values.max(axis=-1, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - shift).mean(axis=-1)) + shift[..., 0]


def curve_sizes(num_samples: int) -> tuple[int, ...]:
    """Return 1, 10, 100, ... while they divide the number of samples, and that number.

    Each divides the next, so a larger group consists of whole smaller groups, and the bounds grow with the size for every
    image.
    """
    sizes = [1]
    while sizes[-1] * 10 < num_samples and num_samples % (sizes[-1] * 10) == 0:
        sizes.append(sizes[-1] * 10)
    return (*sizes, num_samples) if num_samples > 1 else (1,)


def estimate(log_weights: Float[np.ndarray, "B S"]) -> Estimate:
    """Return the estimate and its diagnostics from S log weights of each of B images."""
    values = log_weights.astype(np.float64)
    count, num_samples = values.shape
    log_p = log_mean(values)
    weights = np.exp(values - np.where(np.isfinite(log_p), log_p, 0)[:, None]) / num_samples  # they sum to 1
    squares = np.square(weights).sum(axis=1)
    ess = np.divide(1, squares, out=np.zeros(count), where=squares > 0)
    error = np.sqrt(np.maximum(np.divide(1, ess, out=np.full(count, np.inf), where=ess > 0) - 1 / num_samples, 0))
    if num_samples == 1:
        error = np.full(count, np.nan)
    curve = [
        log_mean(values.reshape(count, num_samples // size, size)).mean(axis=1) for size in curve_sizes(num_samples)
    ]
    return Estimate(log_p, error, ess, weights.max(axis=1), pareto_k(values), np.stack(curve, axis=1))


def trusted(result: Estimate, num_samples: int) -> Bool[np.ndarray, " B"]:
    """Return True for images with enough effective samples and a light enough tail to rely on the estimate and its error.

    It is False if there are too few samples to tell. Weights cannot reveal regions that no sample reaches, so a posterior
    much narrower than p(z|x) in few dimensions can still pass. With 5,000 samples and a third of the width in one dimension,
    13% of the images are trusted but wrong, by up to 0.3 nats; with a quarter in two dimensions 2%, by up to 1. The other
    images reveal it: the median of k over the images is then 0.8 and 0.9.
    """
    return (result.ess >= ENOUGH) & (result.pareto_k <= largest_k(num_samples))


def largest_k(num_samples: int) -> float:
    """Return the largest k that S samples can handle: min(1 - 1 / log10 S, 0.7) (Vehtari et al. 2024, section 3.2.4)."""
    return float(min(1 - 1 / np.log10(max(num_samples, 2)), LARGEST_K))


def pareto_k(log_weights: Float[np.ndarray, "B S"]) -> Float[np.ndarray, " B"]:
    """Return the shape k of a generalised Pareto distribution fitted to each row's largest weights (Zhang and Stephens 2009).

    Weights that are equal, up to float32 rounding of their logarithms, have no tail: k = -inf.
    """
    count, num_samples = log_weights.shape
    tail = int(min(TAIL_SHARE * num_samples, TAIL_ROOT * np.sqrt(num_samples)))
    if tail < FEWEST:
        return np.full(count, np.nan)
    top = np.sort(np.partition(log_weights, num_samples - tail - 1, axis=1)[:, -tail - 1 :], axis=1)
    with np.errstate(invalid="ignore"):
        above = np.exp(top - top[:, -1:])
        above = above[:, 1:] - above[:, :1]  # above the largest weight outside the tail
    k = np.full(count, -np.inf)
    step = np.spacing(np.abs(top[:, -1]).astype(np.float32))
    with np.errstate(invalid="ignore"):
        fits = (above[:, -1] > 0) & ~(top[:, -1] - top[:, 0] < FEWEST_STEPS * step)
    if fits.any():
        k[fits] = _fit(np.maximum(above[fits], np.finfo(float).tiny))
    k[~np.isfinite(top[:, -1])] = np.inf
    return k


def _fit(above: Float[np.ndarray, "B n"]) -> Float[np.ndarray, " B"]:
    """Return k of exceedances in ascending order, as a posterior mean over a grid of k / sigma."""
    n = above.shape[1]
    grid = 30 + int(np.sqrt(n))
    steps = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    quartile = above[:, int(n / 4 + 0.5) - 1, None]
    b = steps / (3 * quartile) + 1 / above[:, -1:]
    k = np.log1p(-b[:, :, None] * above[:, None, :]).mean(axis=2)
    likelihood = n * (np.log(-b / k) - k - 1)
    weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    b = (b * weights).sum(axis=1) / weights.sum(axis=1)
    k = np.log1p(-b[:, None] * above).mean(axis=1)
    return (n * k + PRIOR_COUNT * PRIOR_K) / (n + PRIOR_COUNT)
