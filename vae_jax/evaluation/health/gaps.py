"""The lines of a report on the gap between log p(x) and the elbo, and its parts."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from vae_jax.evaluation.health import verdicts
from vae_jax.evaluation.health.effort import Refined
from vae_jax.evaluation.health.lines import ERRORS
from vae_jax.evaluation.health.summary import Gap, difference
from vae_jax.evaluation.health.verdicts import HEALTHY, OVER_REGULARISED, OVERFITTING, Line

RATE_SHARE, RATE_NATS = 0.1, 0.5
"""Refined posteriors with this much more information than the encoder's show that the elbo favours more than it gets."""


def amortisation(test: Refined, train: Refined) -> Line:
    """Return the line on the loss of the encoder against the best posteriors of its family.

    If the best posteriors of training images carry more information, the model is over-regularised. Test images do not count
    for this, because the encoder may only generalise badly.
    """
    gaps = [_mean(refined.gain) for refined in (test, train)]
    more, rate = _mean(train.refined_kl - train.kl), float(train.kl.mean())
    text = (
        f"{gaps[0].nats:.2f} ± {gaps[0].error:.2f} nats test, {gaps[1].nats:.2f} ± {gaps[1].error:.2f} train; refined "
    )
    text += f"posteriors have a kl of {rate + more.nats:.2f}, the encoder's {rate:.2f}"
    numbers = {"test": gaps[0]._asdict(), "train": gaps[1]._asdict(), "more_kl": more._asdict(), "kl": rate}
    starved = more.nats - ERRORS * more.error > max(RATE_SHARE * rate, RATE_NATS)
    if starved and gaps[1].nats > ERRORS * gaps[1].error:
        return Line(verdicts.AMORTISATION, text, OVER_REGULARISED, "", "a smaller beta", numbers)
    return Line(verdicts.AMORTISATION, text, HEALTHY, numbers=numbers)


def approximation(
    test: Refined, further: Mapping[str, Float[np.ndarray, " n"]], prefix: str = "", conditional: bool = False
) -> Line:
    """Return the line on the loss of the posteriors' family: log p(x) less the best elbo.

    Every bound on log p(x) is too low, and so is this estimate.

    Args:
        test: the refined test images, with their bounds.
        further: more bounds on log p(x) of the first images by name, such as AIS. The bound with the largest mean over the
            shared images is used, with all of its images.
        prefix: the prefix of the bounds' names.
        conditional: True if the bounds are on log p(x|y), y the label.
    """
    bounds = {prefix + name: values for name, values in {**test.bounds, **further}.items()}
    shared = min(len(values) for values in bounds.values())
    means = {name: float(values[:shared].mean()) for name, values in bounds.items()}
    name = max(means, key=lambda bound: means[bound])
    values = bounds[name]
    gap = _mean(values - test.refined_elbo[: len(values)])
    quantity = "log p(x given y)" if conditional else "log p(x)"
    text = f"{gap.nats:.2f} ± {gap.error:.2f} nats or more: a lower estimate, {quantity} at least "
    text += f"{values.mean():.2f} ({name}, {len(values)} test images)"
    return Line(verdicts.APPROXIMATION, text, HEALTHY, numbers=gap._asdict() | {"num_shared": shared, "bounds": means})


def refined_gap(whole: Line, test: Refined, train: Refined) -> Line:
    """Return the line on which part overfits, the encoder or the decoder, if the errors are small enough to say.

    The encoder's part is the larger gain of refinement on test images than on training images.

    Args:
        whole: the line of `gap`. The part left with refined posteriors is the decoder's (Cremer et al. 2018, section 5.4).
        test, train: refined images of both splits; their gains vary far less than their elbos.
    """
    encoder = difference(test.gain, train.gain)
    decoder = whole.numbers["nats"] - encoder.nats
    error = math.hypot(encoder.error, whole.numbers["error"])
    text = (
        f"the encoder's part {encoder.nats:.2f} ± {encoder.error:.2f}, the decoder's {decoder:.2f} ± {error:.2f} nats"
    )
    numbers = {"encoder": encoder._asdict(), "decoder": {"nats": decoder, "error": error}}
    if whole.verdict != OVERFITTING:
        return Line(verdicts.REFINED_GAP, text, whole.verdict, numbers=numbers)
    # The whole gap is measured independently of the encoder's part, and the decoder's part is the rest.
    more = 2 * encoder.nats - whole.numbers["nats"]
    unsure = ERRORS * math.hypot(2 * encoder.error, whole.numbers["error"])
    which = "encoder and decoder alike"
    if abs(more) > unsure:
        which = "mostly the encoder" if more > 0 else "mostly the decoder"
    advice = "dropout, a smaller encoder" if more > unsure else "more images, early_stopping, dropout"
    return Line(verdicts.REFINED_GAP, text, OVERFITTING, which, advice, numbers)


def _mean(values: Float[np.ndarray, " B"]) -> Gap:
    return Gap(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
