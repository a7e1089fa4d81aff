"""The lines of a report on codes: thresholds, and what each measurement means by them."""

import math

from vae_jax.evaluation.health import verdicts
from vae_jax.evaluation.health.information import Bracket
from vae_jax.evaluation.health.summary import Gap, Summary, gaussian_kl, moments_text, units_text
from vae_jax.evaluation.health.two_sample import TwoSample
from vae_jax.evaluation.health.verdicts import CANNOT_TELL, COLLAPSED, HEALTHY, OVERFITTING, PRIOR_HOLE, Line

ERRORS = 3.0
"""The number of standard errors by which a value must exceed a threshold to count as beyond it."""
SATURATED = 1.0
"""The distance to log N in nats within which mutual information cannot be distinguished from a larger value."""
NO_INFORMATION = 0.1
"""Nats."""
HOLE_NATS, HOLE_ACCURACY = 2.0, 0.85
"""A classifier distinguishes two Gaussians that are 2 nats apart with an accuracy of 0.84. Some region then holds 70 more of
100 draws of the prior than of 100 codes. Good VAEs of MNIST have 0.7 to 0.8."""
ENOUGH_CODES = 500
"""The smallest number of codes, in training and in the test, for which a classifier that learns nothing is evidence."""
GAP_SHARE = 0.25
"""A gap above this many standard deviations of the elbo between test images is overfitting."""


def units(summary: Summary) -> Line:
    """Return the line on the active latent dimensions."""
    inactive, size = summary.inactive, len(summary.activity)
    kl = f"kl {summary.kl.min():.2f} to {summary.kl.max():.2f} nats each, {summary.kl.sum():.2f} in all"
    found = f"{units_text(summary).replace(' units active', '')}; {kl}"
    numbers = {"inactive": inactive, "size": size, "kl_per_dimension": summary.kl.tolist()}
    if not inactive:
        return Line(verdicts.UNITS, found, HEALTHY, numbers=numbers)
    advice = (
        "kl_warmup_epochs, free_bits, a smaller beta"
        if len(inactive) == size
        else "a smaller latent_dim, if beta is right"
    )
    which = f"all {size} units" if len(inactive) == size else verdicts.units_named(inactive)
    return Line(verdicts.UNITS, found, COLLAPSED, which, advice, numbers)


def moments(summary: Summary) -> Line:
    """Return the line on the mean and variance of the aggregate posterior."""
    if not summary.standard_prior:
        return Line(verdicts.MOMENTS, "the prior is not N(0, I)", CANNOT_TELL)
    nats, error = gaussian_kl(summary.mean, summary.variance, summary.num_images)
    found = f"{moments_text(summary)}: {nats:.2f} ± {error:.2f} nats from N(0, I), or more"
    verdict, advice = CANNOT_TELL, ""
    if nats - ERRORS * error > HOLE_NATS:
        verdict, advice = PRIOR_HOLE, "a larger beta"
    elif nats + ERRORS * error < HOLE_NATS:
        verdict = HEALTHY
    numbers = {"mean": summary.mean.tolist(), "variance": summary.variance.tolist()}
    numbers |= {"least_kl": nats, "least_kl_error": error}
    return Line(verdicts.MOMENTS, found, verdict, "", advice, numbers)


def information(found: Bracket, num_images: int) -> Line:
    """Return the line on the mutual information of images and codes."""
    ceiling = math.log(num_images)
    words = f"ceiling log {num_images:,} = {ceiling:.2f}"
    numbers = found._asdict() | {"ceiling": ceiling}
    if found.low > ceiling - SATURATED:
        text = f"saturated, at least {found.low:.2f} ± {found.low_error:.2f} nats ({words})"
        return Line(verdicts.RATE, text, CANNOT_TELL, "", "", numbers)
    text = f"{found.low:.2f} ± {found.low_error:.2f} to {found.high:.2f} ± {found.high_error:.2f} nats ({words})"
    nothing = found.high + ERRORS * found.high_error < NO_INFORMATION or found.high < 1e-3
    advice = "kl_warmup_epochs, free_bits, a smaller beta" if nothing else ""
    return Line(verdicts.RATE, text, COLLAPSED if nothing else HEALTHY, "", advice, numbers)


def divergence(found: Bracket) -> Line:
    """Return the line on the KL of the aggregate posterior from the prior."""
    text = f"{found.low:.2f} ± {found.low_error:.2f} to {found.high:.2f} ± {found.high_error:.2f} nats"
    verdict = CANNOT_TELL
    if found.low - ERRORS * found.low_error > HOLE_NATS:
        verdict = PRIOR_HOLE
    elif found.high + ERRORS * found.high_error < HOLE_NATS:
        verdict = HEALTHY
    advice = "a larger beta, a smaller latent_dim" if verdict == PRIOR_HOLE else ""
    return Line(verdicts.DIVERGENCE, text, verdict, "", advice, found._asdict())


def two_sample(found: TwoSample) -> Line:
    """Return the line on a classifier that separates codes from draws of the prior."""
    certainty = f"p = {found.p_value:.2g}" if found.p_value > 1e-300 else "p < 1e-300"
    text = f"a classifier is right in {found.accuracy:.3f} ± {found.accuracy_error:.3f}, auc {found.auc:.3f} ± "
    text += f"{found.auc_error:.3f}, {certainty}, {2 * found.num_held_out:,} held out"
    reach = ERRORS * found.accuracy_error
    verdict, advice = CANNOT_TELL, ""
    if found.accuracy - reach > HOLE_ACCURACY:
        verdict, advice = PRIOR_HOLE, "a larger beta, a smaller latent_dim"
    elif found.num_held_out < ENOUGH_CODES:
        advice = "a larger test set"
    elif found.accuracy + reach < HOLE_ACCURACY:
        verdict = HEALTHY
    return Line(verdicts.CODES, text, verdict, "", advice, found._asdict())


def gap(found: Gap, deviation: float) -> Line:
    """Return the line on the difference in elbo between training and test images.

    Args:
        found: of the elbo, train less test.
        deviation: standard deviation of the elbo between test images.
    """
    text = f"elbo {found.nats:.2f} ± {found.error:.2f} nats, {abs(found.nats) / deviation:.2f} of its deviation between images"
    numbers = found._asdict() | {"deviation": deviation}
    verdict, advice = CANNOT_TELL, "more images"
    if found.nats - ERRORS * found.error > GAP_SHARE * deviation:
        verdict, advice = OVERFITTING, "more images, early_stopping, dropout"
    elif found.nats + ERRORS * found.error < GAP_SHARE * deviation:
        verdict, advice = HEALTHY, ""
    return Line(verdicts.GAP, text, verdict, "", advice, numbers)
