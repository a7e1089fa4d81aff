"""The lines of a report on what is lost between log p(x) and the elbo, and by whom."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from vae_jax.evaluation.health import verdicts
from vae_jax.evaluation.health.lines import ERRORS
from vae_jax.evaluation.health.refinement import Refined
from vae_jax.evaluation.health.summary import Gap, difference
from vae_jax.evaluation.health.verdicts import HEALTHY, OVER_REGULARISED, OVERFITTING, Line

RATE_SHARE, RATE_NATS = 0.1, 0.5
"""How much more information than the encoder's the refined posteriors give, where the elbo asks for more than it gets."""


def amortisation(test: Refined, train: Refined) -> Line:
    """What the encoder loses against the best posterior of its family, and whether the best ones say more of the image.

    The second on training images: an encoder that is wrong on others is another matter.
    """
    gaps = [_mean(refined.gain) for refined in (test, train)]
    more, rate = _mean(train.refined_kl - train.kl), float(train.kl.mean())
    told = (
        f"{gaps[0].nats:.2f} ± {gaps[0].error:.2f} nats test, {gaps[1].nats:.2f} ± {gaps[1].error:.2f} train; refined "
    )
    told += f"posteriors have a kl of {rate + more.nats:.2f}, the encoder's {rate:.2f}"
    numbers = {"test": gaps[0]._asdict(), "train": gaps[1]._asdict(), "more_kl": more._asdict(), "kl": rate}
    starved = more.nats - ERRORS * more.error > max(RATE_SHARE * rate, RATE_NATS)
    if starved and gaps[1].nats > ERRORS * gaps[1].error:
        return Line(verdicts.AMORTISATION, told, OVER_REGULARISED, "", "a smaller beta", numbers)
    return Line(verdicts.AMORTISATION, told, HEALTHY, numbers=numbers)


def approximation(test: Refined, further: Mapping[str, Float[np.ndarray, " n"]], prefix: str = "") -> Line:
    """What the posteriors' family loses: log p(x) less the best elbo. Every bound is too low, and so is this.

    Args:
        test: with its bounds.
        further: bounds on log p(x) of the first of its images by name, as AIS. The largest mean over the images that all have
            counts, with all of its images.
        prefix: of the bounds' names.
    """
    bounds = {prefix + name: values for name, values in {**test.bounds, **further}.items()}
    shared = min(len(values) for values in bounds.values())
    means = {name: float(values[:shared].mean()) for name, values in bounds.items()}
    name = max(means, key=lambda bound: means[bound])
    values = bounds[name]
    found = _mean(values - test.refined_elbo[: len(values)])
    told = f"{found.nats:.2f} ± {found.error:.2f} nats or more: a lower estimate, log p(x) at least "
    told += f"{values.mean():.2f} ({name}, {len(values)} test images)"
    return Line(
        verdicts.APPROXIMATION, told, HEALTHY, numbers=found._asdict() | {"num_shared": shared, "bounds": means}
    )


def refined_gap(whole: Line, test: Refined, train: Refined) -> Line:
    """Whether it is the encoder or the decoder that overfits, where the errors let it be told.

    The encoder's part is what refining gains more on test images than on training images.

    Args:
        whole: of `gap`. What is left of it with refined posteriors is the decoder's part (Cremer et al. 2018, section 5.4).
        test, train: their gains are far less spread than their elbos.
    """
    encoder = difference(test.gain, train.gain)
    decoder = whole.numbers["nats"] - encoder.nats
    error = math.hypot(encoder.error, whole.numbers["error"])
    told = (
        f"the encoder's part {encoder.nats:.2f} ± {encoder.error:.2f}, the decoder's {decoder:.2f} ± {error:.2f} nats"
    )
    numbers = {"encoder": encoder._asdict(), "decoder": {"nats": decoder, "error": error}}
    if whole.verdict != OVERFITTING:
        return Line(verdicts.REFINED_GAP, told, whole.verdict, numbers=numbers)
    # The whole is known apart from the encoder's part, and the decoder's is what is left of it.
    more = 2 * encoder.nats - whole.numbers["nats"]
    unsure = ERRORS * math.hypot(2 * encoder.error, whole.numbers["error"])
    which = "encoder and decoder alike"
    if abs(more) > unsure:
        which = "mostly the encoder" if more > 0 else "mostly the decoder"
    advice = "dropout, a smaller encoder" if more > unsure else "more images, early_stopping, dropout"
    return Line(verdicts.REFINED_GAP, told, OVERFITTING, which, advice, numbers)


def _mean(values: Float[np.ndarray, " B"]) -> Gap:
    return Gap(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
