"""The summary of the latent space in every final evaluation, from numbers that evaluation has computed already."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from vae_jax.evaluation import per_image
from vae_jax.evaluation.aggregate_posterior import Aggregate
from vae_jax.evaluation.per_image import ACTIVE_VARIANCE

THRESHOLDS = (0.001, ACTIVE_VARIANCE, 0.1)
"""Thresholds of Var_x E_q[z_k] for active units: that of Burda et al. (2016), and two that show how the count depends on it."""


class Summary(NamedTuple):
    """The latent space on one split, for each latent dimension."""

    kl: Float[np.ndarray, " K"]
    """The mean KL over images, nats."""
    activity: Float[np.ndarray, " Z"]
    """Var_x E_q[z_k], the variance of the posterior mean over images."""
    mean: Float[np.ndarray, " Z"]
    variance: Float[np.ndarray, " Z"]
    """The mean and variance of sampled z over images: moments of the aggregate posterior."""
    standard_prior: bool
    """True if the prior is N(0, I); otherwise there is nothing to compare the moments with."""
    num_images: int

    def active(self, threshold: float = ACTIVE_VARIANCE) -> int:
        """Return the number of active units."""
        return int(per_image.is_active(self.activity, threshold).sum())

    @property
    def inactive(self) -> list[int]:
        """The dimensions, from 0, that carry no information about the image."""
        return np.flatnonzero(~per_image.is_active(self.activity)).tolist()


class Gap(NamedTuple):
    """A difference of two means over images, nats, and its standard error."""

    nats: float
    error: float


def summarize_latents(
    means: Float[np.ndarray, "N F"],
    aggregate: Aggregate,
    standard_prior: bool,
    labels: Int[np.ndarray, " N"] | None = None,
) -> Summary:
    """Summarize one split from the noise-free z and the moments of its images.

    `standard_prior`: the prior is N(0, I). `labels` are those of a conditional model; see `per_image.activity`.
    """
    activity = per_image.activity(means, labels)
    return Summary(aggregate.kl, activity, aggregate.z, aggregate.variance, standard_prior, len(means))


def difference(first: Float[np.ndarray, " N"], second: Float[np.ndarray, " M"]) -> Gap:
    """Return the mean of the first less the mean of the second, for independent samples."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    error = math.sqrt(
        sum(values.var(ddof=1) / len(values) if len(values) > 1 else math.inf for values in (first, second))
    )
    return Gap(float(first.mean() - second.mean()), error)


def gaussian_kl(
    mean: Float[np.ndarray, " Z"], variance: Float[np.ndarray, " Z"], count: float = math.inf
) -> tuple[float, float]:
    """Return the least KL from N(0, I) of a distribution with these moments, and its standard error, nats.

    It is the KL of a diagonal Gaussian. Estimating moments from N images adds 1 / N per dimension, half for the mean and half
    for the variance, which is subtracted. The error is that of independent Gaussian dimensions. `count` is N, or infinity if
    the moments are exact.
    """
    safe = np.maximum(variance, np.finfo(np.float64).tiny)
    plain = 0.5 * (np.square(mean) + safe - 1 - np.log(safe)).sum()
    # By the delta method, whose terms are also larger by 1 / N. At N(0, I) they vanish, and the next order remains.
    spread = (np.square(mean) * safe + 0.5 * np.square(safe - 1)).sum() / count - len(mean) / count**2
    spread = max(float(spread), len(mean) / count**2)
    return max(0.0, float(plain - len(mean) / count)), math.sqrt(spread)


def facts(summary: Summary) -> dict[str, Any]:
    """Return the numbers for results.json."""
    latents: dict[str, Any] = {
        "kl_per_dimension": summary.kl.tolist(),
        "active_units": {f"{threshold:g}": summary.active(threshold) for threshold in THRESHOLDS},
        "aggregate_mean": summary.mean.tolist(),
        "aggregate_variance": summary.variance.tolist(),
    }
    return {"latents": latents}


def gap_facts(gap: Gap) -> dict[str, float]:
    """Return the numbers for results.json on the elbo of training images less that of test images."""
    return {"elbo_train_minus_test": gap.nats, "elbo_train_minus_test_error": gap.error}


def units_text(summary: Summary) -> str:
    """Return `16 of 20 units active (18 above 0.001, 15 above 0.1)`."""
    around = ", ".join(f"{summary.active(t)} above {t:g}" for t in THRESHOLDS if t != ACTIVE_VARIANCE)
    return f"{summary.active()} of {len(summary.activity)} units active ({around})"


def kl_text(summary: Summary) -> str:
    """Return `0.44 to 0.67 nats per dimension`, or one number if the KL has one term."""
    one = len(summary.kl) == 1 and len(summary.activity) > 1
    return f"{summary.kl[0]:.2f} nats" if one else f"{_span(summary.kl)} nats per dimension"


def moments_text(summary: Summary) -> str:
    """Return `largest |mean| 0.19, variances 0.90 to 1.14`."""
    return f"largest |mean| {np.abs(summary.mean).max():.2f}, variances {_span(summary.variance)}"


def _span(values: Float[np.ndarray, " K"]) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"
