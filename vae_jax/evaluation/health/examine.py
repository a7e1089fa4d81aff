"""The examination of a trained model, line by line as it is measured."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.errors import InputError
from vae_jax.evaluation.health import gaps, information, lines
from vae_jax.evaluation.health.annealed_bound import Anneal, annealed_bound
from vae_jax.evaluation.health.codes import make_draw_codes
from vae_jax.evaluation.health.discrete import examine_codes
from vae_jax.evaluation.health.effort import Effort, Refined
from vae_jax.evaluation.health.examinable import has_codes, require_examinable
from vae_jax.evaluation.health.refinement import Refine, block_size, make_refine
from vae_jax.evaluation.health.representation import Labelled, representation_lines
from vae_jax.evaluation.health.subject import Encoded, Subject, encode_split, key_of
from vae_jax.evaluation.health.summary import difference, summarize_latents
from vae_jax.evaluation.health.two_sample import two_sample_test
from vae_jax.evaluation.health.verdicts import Line
from vae_jax.evaluation.health.work import ANNEALING, CODES, PROBES, REFINING, Amount, Work, estimate
from vae_jax.models import require_prior

FEWEST_IMAGES = 50
"""The least number of images in a split; fewer say nothing."""
SAMPLES_OF_TRAIN = 100
"""The most samples of a refined training image: only its elbos are needed, not the bounds."""


class Extent(NamedTuple):
    """The amount of work."""

    num_images: int = 10_000
    """The most encoded images of a split, N."""
    num_refined: int = 500
    """The most images of a split whose posteriors are refined."""
    effort: Effort = Effort()
    anneal: Anneal = Anneal()


def examine(
    subject: Subject,
    extent: Extent = Extent(),  # noqa: B008 - immutable
    begin: Callable[[float], None] = lambda seconds: None,
    progress: Callable[[str, float], None] = lambda part, share: None,
) -> Iterator[Line]:
    """Yield the lines of a report; `verdicts.overall` sums them up.

    Args:
        subject: a model with a prior, and its data.
        extent: the amount of work.
        begin: called once, before anything long, with an estimate of the seconds that the report takes.
        progress: called during each long computation with its name and the finished share of the report.

    Raises:
        InputError: the model has no prior, or z is on a sphere, or log q(z|x) is known for draws only; there are too few
            images, or some have no finite code.
    """
    require_examinable(subject.model)
    counts = [_count(subject, extent, name) for name in ("train", "test")][::-1]
    if has_codes(subject.model):
        yield from examine_codes(subject, (counts[1], counts[0]), begin, progress)
        return
    refine, draw = make_refine(subject.model, extent.effort), make_draw_codes(subject.model)
    refined_counts = [min(count, extent.num_refined) for count in counts]
    size = block_size(*refined_counts)
    work = _plan(subject, extent, refine, counts, size, progress)
    begin(sum(work.seconds.values()))
    work.advance(CODES, 0)
    train, test = (encode_split(subject, draw, name, extent.num_images, i) for i, name in enumerate(("train", "test")))
    work.advance(CODES, 0.5)
    yield from _code_lines(subject, test)
    whole = lines.gap(difference(train.codes.elbo, test.codes.elbo), float(test.codes.elbo.std()))
    yield whole
    refined = []
    for number, encoded in enumerate((test, train)):
        before = sum(refined_counts[:number]) / sum(refined_counts)
        share = refined_counts[number] / sum(refined_counts)

        def report(done: float, before: float = before, share: float = share) -> None:
            work.advance(REFINING, before + share * done)

        refined.append(_refined(subject, extent, refine, (3 + number, encoded), size, report))
    yield gaps.amortisation(*refined)
    annealed = _annealed(subject, extent, test, train, lambda share: work.advance(ANNEALING, share))
    yield gaps.approximation(refined[0], annealed, subject.prefix, test.conditional)
    yield gaps.refined_gap(whole, *refined)
    work.advance(PROBES, 0)
    yield from representation_lines(_labelled(train), _labelled(test), subject.seed, test.conditional)


def _count(subject: Subject, extent: Extent, name: str) -> int:
    """Return the number of images of a split to encode, or raise InputError if they are too few."""
    count = min(extent.num_images, len(getattr(subject.dataset, name).images))
    if min(count, extent.num_refined) < FEWEST_IMAGES:
        raise InputError(
            f"num_images={extent.num_images}, num_refined={extent.num_refined}: the {name} split gives {count} images; "
            f"at least {FEWEST_IMAGES} are needed, and as many to refine"
        )
    return count


def _samples(extent: Extent, number: int) -> int:
    """Return the number of samples of each refined image of the test split, number 0, or the training split, 1."""
    return min(extent.effort.samples, SAMPLES_OF_TRAIN) if number else extent.effort.samples


def _plan(
    subject: Subject,
    extent: Extent,
    refine: Refine,
    counts: list[int],
    size: int,
    progress: Callable[[str, float], None],
) -> Work:
    """Time the first steps and return the work with an estimate of its parts."""
    train = subject.dataset.train
    images, labels = train.images[:size], train.labels[:size] if subject.model.given is not None else None
    speed = refine.measure_speed(subject.params, images, labels, size)
    few = [min(count, extent.num_refined) for count in counts]
    refining = sum(refine.passes(count, _samples(extent, number)) for number, count in enumerate(few))
    passes = {REFINING: refining, ANNEALING: sum(extent.anneal.passes(few[0]))}
    return Work(progress, estimate(Amount(sum(counts), passes), speed))


def _code_lines(subject: Subject, test: Encoded) -> Iterator[Line]:
    codes, labels = test.codes, test.given(len(test.labels))
    prior = require_prior(subject.model)
    summary = summarize_latents(codes.means, codes.aggregate(), prior.is_standard, labels)
    yield lines.units(summary, subject.model.pixel_mean is None)
    yield lines.moments(summary)
    pairs, paired = information.pairs_of(subject.model, subject.params, codes, labels)
    few = codes.first(paired)
    mixture = information.mixture(pairs, few.log_own)
    yield lines.information(information.mutual_information(mixture, few), paired, "columns" in subject.model.traits)
    yield lines.divergence(information.marginal_kl(mixture, few))
    drawn = prior.sample(subject.params, key_of(subject, 2), len(codes.elbo))
    draws = np.asarray(subject.model.view(subject.params, drawn), np.float64)
    points = codes.points
    if labels is not None:  # given each class codes must look like draws, so the classifier sees the class beside both
        classes = np.eye(int(labels.max()) + 1)[labels]
        points, draws = (np.concatenate([values, classes], axis=1) for values in (points, draws))
    yield lines.two_sample(two_sample_test(points, draws, subject.seed))


def _labelled(encoded: Encoded) -> Labelled:
    return Labelled(encoded.codes.means, encoded.images, encoded.labels)


def _refined(
    subject: Subject,
    extent: Extent,
    refine: Refine,
    numbered: tuple[int, Encoded],
    size: int,
    progress: Callable[[float], None],
) -> Refined:
    number, encoded = numbered
    images, labels = encoded.images[: extent.num_refined], encoded.given(extent.num_refined)
    key, num_samples = key_of(subject, number), _samples(extent, number - 3)
    return refine(subject.params, key, images, progress, labels, size, num_samples)


def _annealed(
    subject: Subject, extent: Extent, test: Encoded, train: Encoded, progress: Callable[[float], None]
) -> dict[str, Float[np.ndarray, " B"]]:
    anneal, images = extent.anneal, test.images[: extent.num_refined]
    labels = test.given(extent.num_refined), train.given(len(train.images))
    key = key_of(subject, 5)
    bound = annealed_bound(subject.model, subject.params, key, images, train.images, anneal, labels, progress)
    return {anneal.name: bound}
