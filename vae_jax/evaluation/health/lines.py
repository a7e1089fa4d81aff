"""The lines of a report on codes: thresholds, and the verdict on each measurement."""

import math

from vae_jax.evaluation.code_usage import Usage
from vae_jax.evaluation.health import verdicts
from vae_jax.evaluation.health.information import Bracket
from vae_jax.evaluation.health.summary import Gap, Summary, gaussian_kl, kl_text, moments_text, units_text
from vae_jax.evaluation.health.two_sample import TwoSample
from vae_jax.evaluation.health.verdicts import COLLAPSED, HEALTHY, OVERFITTING, PRIOR_HOLE, UNDECIDED, Line

ERRORS = 3.0
"""The standard errors by which a number must exceed a threshold to count as above it."""
SATURATED = 1.0
"""Nats below log N; above this, mutual information cannot be distinguished from more."""
NO_INFORMATION = 0.1
"""Nats of mutual information that count as none."""
LITTLE_KL = 1.0
"""Nats of kl in all below which a decoder that sees the pixels before a pixel counts as one that ignores z."""
HOLE_NATS, HOLE_ACCURACY = 2.0, 0.85
"""Two Gaussians that are 2 nats apart are distinguished with an accuracy of 0.84. Then some region contains 70 more of 100 draws
from the prior than of 100 codes. VAEs of MNIST that one would call good have 0.7 to 0.8."""
ENOUGH_CODES = 500
"""The number of codes in a classifier's test, and in its training, below which learning nothing is no evidence."""
GAP_SHARE = 0.25
"""The gap, in standard deviations of the elbo between test images, above which there is overfitting."""


def units(summary: Summary, without_z: bool = False) -> Line:
    """Return the line on the latent dimensions that carry information.

    With `without_z` the decoder can model images without them, being autoregressive: then a kl near 0 says that none does.
    """
    size, unused = len(summary.activity), without_z and summary.kl.sum() < LITTLE_KL
    inactive = list(range(size)) if unused else summary.inactive
    kl = f"kl {kl_text(summary)}" + (f", {summary.kl.sum():.2f} in all" if len(summary.kl) > 1 else "")
    text = f"{units_text(summary).replace(' units active', '')}; {kl}"
    numbers = {"inactive": inactive, "size": size, "kl_per_dimension": summary.kl.tolist()}
    if not inactive:
        return Line(verdicts.UNITS, text, HEALTHY, numbers=numbers)
    advice = (
        against_collapse(len(summary.kl) >= size) if len(inactive) == size else "a smaller latent_dim, if beta is right"
    )
    which = verdicts.units_named(inactive)
    if unused:
        which = f"kl {summary.kl.sum():.2f} nats: the decoder models images by their own pixels, and ignores z"
        advice += ", fewer pixelcnn.layers"
    elif len(inactive) == size:
        which = f"all {size} units: the decoder ignores z, so reconstructions do not follow the image"
    return Line(verdicts.UNITS, text, COLLAPSED, which, advice, numbers)


def against_collapse(columns: bool) -> str:
    """Return the advice for a model that ignores z; free bits are for a KL of each dimension by itself, with `columns`."""
    return f"kl_warmup_epochs, {'free_bits, ' * columns}a smaller beta"


def moments(summary: Summary) -> Line:
    """Return the line on the mean and variance of all codes together."""
    if not summary.standard_prior:
        return Line(verdicts.MOMENTS, "the prior is not N(0, I)", UNDECIDED)
    nats, error = gaussian_kl(summary.mean, summary.variance, summary.num_images)
    text = f"{moments_text(summary)}: {nats:.2f} ± {error:.2f} nats from N(0, I), or more"
    verdict, advice = UNDECIDED, ""
    if nats - ERRORS * error > HOLE_NATS:
        verdict, advice = PRIOR_HOLE, "a larger beta"
    elif nats + ERRORS * error < HOLE_NATS:
        verdict = HEALTHY
    numbers = {"mean": summary.mean.tolist(), "variance": summary.variance.tolist()}
    numbers |= {"least_kl": nats, "least_kl_error": error}
    return Line(verdicts.MOMENTS, text, verdict, "", advice, numbers)


def information(bracket: Bracket, num_images: int, columns: bool) -> Line:
    """Return the line on the information that a code has about its image; `columns`: each dimension has a KL of its own."""
    ceiling = math.log(num_images)
    words = f"ceiling log {num_images:,} = {ceiling:.2f}"
    numbers = bracket._asdict() | {"ceiling": ceiling}
    if bracket.low > ceiling - SATURATED:
        text = f"saturated, at least {bracket.low:.2f} ± {bracket.low_error:.2f} nats ({words})"
        return Line(verdicts.RATE, text, UNDECIDED, "", "", numbers)
    text = (
        f"{bracket.low:.2f} ± {bracket.low_error:.2f} to {bracket.high:.2f} ± {bracket.high_error:.2f} nats ({words})"
    )
    nothing = bracket.high + ERRORS * bracket.high_error < NO_INFORMATION or bracket.high < 1e-3
    advice = against_collapse(columns) if nothing else ""
    return Line(verdicts.RATE, text, COLLAPSED if nothing else HEALTHY, "", advice, numbers)


def divergence(bracket: Bracket) -> Line:
    """Return the line on the distance of all codes together from the prior."""
    text = f"{bracket.low:.2f} ± {bracket.low_error:.2f} to {bracket.high:.2f} ± {bracket.high_error:.2f} nats"
    verdict = UNDECIDED
    if bracket.low - ERRORS * bracket.low_error > HOLE_NATS:
        verdict = PRIOR_HOLE
    elif bracket.high + ERRORS * bracket.high_error < HOLE_NATS:
        verdict = HEALTHY
    advice = "a larger beta, a smaller latent_dim" if verdict == PRIOR_HOLE else ""
    return Line(verdicts.DIVERGENCE, text, verdict, "", advice, bracket._asdict())


def two_sample(result: TwoSample) -> Line:
    """Return the line on how well codes can be distinguished from draws of the prior."""
    certainty = f"p = {result.p_value:.2g}" if result.p_value > 1e-300 else "p < 1e-300"
    text = f"a classifier is right in {result.accuracy:.3f} ± {result.accuracy_error:.3f}, auc {result.auc:.3f} ± "
    text += f"{result.auc_error:.3f}, {certainty}, {2 * result.num_held_out:,} held out"
    reach = ERRORS * result.accuracy_error
    verdict, advice = UNDECIDED, ""
    if result.accuracy - reach > HOLE_ACCURACY:
        verdict, advice = PRIOR_HOLE, "a larger beta, a smaller latent_dim"
    elif result.num_held_out < ENOUGH_CODES:
        advice = "a larger test set"
    elif result.accuracy + reach < HOLE_ACCURACY:
        verdict = HEALTHY
    return Line(verdicts.CODES, text, verdict, "", advice, result._asdict())


def gap(gap: Gap, deviation: float) -> Line:
    """Return the line on the gap of the elbo, train less test, whose standard deviation between test images is `deviation`."""
    text = f"elbo {gap.nats:.2f} ± {gap.error:.2f} nats"
    text += f", {abs(gap.nats) / deviation:.2f} of its deviation between images" if deviation else ""
    numbers = gap._asdict() | {"deviation": deviation}
    verdict, advice = UNDECIDED, "more images"
    if gap.nats - ERRORS * gap.error > GAP_SHARE * deviation:
        verdict, advice = OVERFITTING, "more images, early_stopping, dropout"
    elif gap.nats + ERRORS * gap.error < GAP_SHARE * deviation:
        verdict, advice = HEALTHY, ""
    return Line(verdicts.GAP, text, verdict, "", advice, numbers)


def codes_used(usage: Usage, nats: float, num_images: int, remedy: str = "") -> Line:
    """Return the line on the use of discrete codes.

    Args:
        usage: the use of each code on the test split.
        nats: the cost of an image's codes.
        num_images: the number of images.
        remedy: the advice if most codes are dead.
    """
    (levels, size), per_image = usage.counts.shape, usage.counts.sum() // num_images
    text = f"{usage.used} of {usage.counts.size}, perplexity {usage.perplexity:.1f}"
    text += f"; {per_image} codes of {size}: {nats:.2f} nats"
    if usage.used > levels and nats > NO_INFORMATION:
        if not usage.dead:
            return Line(verdicts.CODES_USED, text, HEALTHY, numbers=usage.metrics)
        which = f"{usage.counts.size - usage.used} codes are dead: no test image uses them"
        return Line(verdicts.CODES_USED, text, COLLAPSED, which, remedy, numbers=usage.metrics)
    same = usage.used == levels
    which = "all images have the same code" if same else "the drawn codes do not depend on the image"
    which += ", so reconstructions do not follow the image"
    advice = ", ".join(filter(None, ("more epochs", remedy if same else "")))
    return Line(verdicts.CODES_USED, text, COLLAPSED, which, advice, numbers=usage.metrics)


def quick(summary: Summary, without_z: bool = False) -> list[Line]:
    """Return the lines on the latent space that need no more than a final evaluation; `without_z`: see `units`."""
    return [units(summary, without_z), *([moments(summary)] if summary.standard_prior else [])]
