"""What every final evaluation says of the latent space: no more than evaluation has computed already."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.evaluation.aggregate_posterior import Aggregate
from vae_jax.evaluation.per_image import ACTIVE_VARIANCE
from vae_jax.models.standard_normal import is_standard

THRESHOLDS = (0.001, ACTIVE_VARIANCE, 0.1)
"""Of Var_x E_q[z_k], above which a dimension counts as active: Burda et al.'s (2016), and how far the count hangs on it."""


class Summary(NamedTuple):
    """Of one split, for each latent dimension."""

    kl: Float[np.ndarray, " K"]
    """Mean over images, nats."""
    activity: Float[np.ndarray, " Z"]
    """Var_x E_q[z_k], the variance of the posterior mean over images."""
    mean: Float[np.ndarray, " Z"]
    variance: Float[np.ndarray, " Z"]
    """Of sampled z, over images: moments of the aggregate posterior."""
    standard_prior: bool
    """Whether the prior is N(0, I); if not, the moments are to be compared with nothing known."""
    num_images: int

    def active(self, threshold: float = ACTIVE_VARIANCE) -> int:
        """Number of active units."""
        return int((self.activity > threshold).sum())

    @property
    def inactive(self) -> list[int]:
        """Dimensions, from 0, that carry nothing of the image."""
        return np.flatnonzero(self.activity <= ACTIVE_VARIANCE).tolist()


class Gap(NamedTuple):
    """A difference of two means over images, nats, and its standard error."""

    nats: float
    error: float


def summarize_latents(means: Float[np.ndarray, "N Z"], aggregate: Aggregate) -> Summary:
    """The summary of one split.

    Args:
        means: posterior means.
        aggregate: of the same images.
    """
    standard = is_standard(float(aggregate.from_standard), means.shape[1])
    activity = means.astype(np.float64).var(axis=0)
    return Summary(aggregate.kl, activity, aggregate.z, aggregate.variance, standard, len(means))


def difference(first: Float[np.ndarray, " N"], second: Float[np.ndarray, " M"]) -> Gap:
    """mean of the first less mean of the second, of two independent samples."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    error = math.sqrt(
        sum(values.var(ddof=1) / len(values) if len(values) > 1 else math.inf for values in (first, second))
    )
    return Gap(float(first.mean() - second.mean()), error)


def gaussian_kl(
    mean: Float[np.ndarray, " Z"], variance: Float[np.ndarray, " Z"], count: float = math.inf
) -> tuple[float, float]:
    """(the least KL from N(0, I) that a distribution with these moments can have, its standard error), nats.

    It is that of a diagonal Gaussian. Moments of N images make it larger by 1 / N a dimension, half for the mean and half for
    the variance; that is taken off. The error is that of independent Gaussian dimensions.

    Args:
        mean: of each dimension.
        variance: of each dimension.
        count: N; without it the moments are no estimates.
    """
    safe = np.maximum(variance, np.finfo(np.float64).tiny)
    plain = 0.5 * (np.square(mean) + safe - 1 - np.log(safe)).sum()
    # By the delta method, whose terms are larger by 1 / N too; where they vanish, at N(0, I), the next ones are left.
    spread = (np.square(mean) * safe + 0.5 * np.square(safe - 1)).sum() / count - len(mean) / count**2
    spread = max(float(spread), len(mean) / count**2)
    return max(0.0, float(plain - len(mean) / count)), math.sqrt(spread)


def facts(summary: Summary, gap: Gap) -> dict[str, Any]:
    """For results.json."""
    found: dict[str, Any] = {
        "kl_per_dimension": summary.kl.tolist(),
        "active_units": {f"{threshold:g}": summary.active(threshold) for threshold in THRESHOLDS},
        "aggregate_mean": summary.mean.tolist(),
        "aggregate_variance": summary.variance.tolist(),
    }
    return {"latents": found, "elbo_train_minus_test": gap.nats, "elbo_train_minus_test_error": gap.error}


def told(summary: Summary, gap: Gap) -> list[str]:
    """For people, below the table of splits."""
    told = [
        f"latents, test: kl {_span(summary.kl)} nats a dimension; {units_text(summary)}",
        f"elbo, train less test: {gap.nats:.2f} ± {gap.error:.2f} nats",
    ]
    if summary.standard_prior:
        told.insert(1, f"aggregate posterior, test: {moments_text(summary)} (the prior's: 0, 1)")
    return told


def units_text(summary: Summary) -> str:
    """`16 of 20 active (18 above 0.001, 15 above 0.1)`."""
    around = ", ".join(f"{summary.active(t)} above {t:g}" for t in THRESHOLDS if t != ACTIVE_VARIANCE)
    return f"{summary.active()} of {len(summary.activity)} units active ({around})"


def moments_text(summary: Summary) -> str:
    """`largest |mean| 0.19, variances 0.90 to 1.14`."""
    return f"largest |mean| {np.abs(summary.mean).max():.2f}, variances {_span(summary.variance)}"


def _span(values: Float[np.ndarray, " K"]) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"
