"""The examination of a trained model, line by line as it is measured."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int32, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError
from vae_jax.evaluation.health import gaps, information, lines
from vae_jax.evaluation.health.annealed_bound import Anneal, annealed_bound
from vae_jax.evaluation.health.codes import Codes, DrawCodes, Labels, make_draw_codes
from vae_jax.evaluation.health.refinement import Effort, Refined, make_refine
from vae_jax.evaluation.health.representation import Labelled, representation_lines
from vae_jax.evaluation.health.summary import difference, summarize_latents
from vae_jax.evaluation.health.two_sample import two_sample_test
from vae_jax.evaluation.health.verdicts import Line
from vae_jax.models import require_continuous, require_prior, require_rate
from vae_jax.types import Dataset, Model, Params, Split

FEWEST_IMAGES = 50
"""The least number of images in a split; fewer say nothing."""
STREAM = 5
"""The number of this stream of random keys, which are not those of the run with the same seed (`randomness.keys_of`)."""

NEED = "and its health would be measured with densities of z (experiments.evaluate prints the use of its codes)"
"""The reason why a model with discrete codes is not examined."""


class Subject(NamedTuple):
    """The model to examine, and its data."""

    model: Model
    params: Params
    dataset: Dataset
    seed: int
    binarize: str = "none"
    """The config's binarize; with `dynamic`, training images are grey and are drawn once."""
    prefix: str = ""
    """The prefix of the bounds' names if log p(x) is not a mass, such as `grey_`."""


class Extent(NamedTuple):
    """The amount of work."""

    num_images: int = 10_000
    """The most encoded images of a split, N."""
    num_refined: int = 500
    """The most images of a split whose posteriors are refined."""
    effort: Effort = Effort()
    anneal: Anneal = Anneal()


class Encoded(NamedTuple):
    """Images of one split, in random order, with their codes."""

    images: UInt8[np.ndarray, "N H W C"]
    labels: Int32[np.ndarray, " N"]
    codes: Codes
    conditional: bool = False
    """True if the model is given the labels."""

    def given(self, most: int) -> Labels:
        """Return the labels of the first `most` images, or None if the model is not given them."""
        return self.labels[:most] if self.conditional else None


def examine(
    subject: Subject,
    extent: Extent = Extent(),  # noqa: B008 - immutable
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Line]:
    """Yield the lines of a report; `verdicts.overall` sums them up.

    Args:
        subject: a model with a prior, and its data.
        extent: the amount of work.
        progress: called with a description of each long computation.

    Raises:
        InputError: the model has no prior or has discrete codes, there are too few images, or some have no finite code.
    """
    require_rate(subject.model)
    require_continuous(subject.model, NEED)
    for name in ("train", "test"):
        count = min(extent.num_images, len(getattr(subject.dataset, name).images))
        if min(count, extent.num_refined) < FEWEST_IMAGES:
            raise InputError(
                f"num_images={extent.num_images}, num_refined={extent.num_refined}: the {name} split gives {count} images; "
                f"at least {FEWEST_IMAGES} are needed, and as many to refine"
            )
    draw = make_draw_codes(subject.model)
    train, test = (_encode(subject, draw, split, extent.num_images, i) for i, split in enumerate(("train", "test")))
    yield from _code_lines(subject, test)
    whole = lines.gap(difference(train.codes.elbo, test.codes.elbo), float(test.codes.elbo.std()))
    yield whole
    refined = _refined(subject, extent, {"test": test, "train": train}, progress)
    yield gaps.amortisation(*refined)
    annealed = _annealed(subject, extent, test, train, progress)
    yield gaps.approximation(refined[0], annealed, subject.prefix, test.conditional)
    yield gaps.refined_gap(whole, *refined)
    progress("reading classes from codes and pixels")
    yield from representation_lines(_labelled(train), _labelled(test), subject.seed, test.conditional)


def _code_lines(subject: Subject, test: Encoded) -> Iterator[Line]:
    codes, labels = test.codes, test.given(len(test.labels))
    prior = require_prior(subject.model)
    summary = summarize_latents(codes.means, codes.aggregate(), prior.is_standard, labels)
    yield lines.units(summary)
    yield lines.moments(summary)
    pairs, paired = information.pairs_of(subject.model, subject.params, codes, labels)
    few = codes.first(paired)
    mixture = information.mixture(pairs, few.log_own)
    yield lines.information(information.mutual_information(mixture, few), paired)
    yield lines.divergence(information.marginal_kl(mixture, few))
    drawn = prior.sample(subject.params, _key(subject, 2), len(codes.elbo))
    draws = np.asarray(subject.model.view(subject.params, drawn), np.float64)
    points = codes.points
    if labels is not None:  # given each class codes must look like draws, so the classifier sees the class beside both
        classes = np.eye(int(labels.max()) + 1)[labels]
        points, draws = (np.concatenate([values, classes], axis=1) for values in (points, draws))
    yield lines.two_sample(two_sample_test(points, draws, subject.seed))


def _labelled(encoded: Encoded) -> Labelled:
    return Labelled(encoded.codes.means, encoded.images, encoded.labels)


def _encode(subject: Subject, draw: DrawCodes, name: str, most: int, number: int) -> Encoded:
    split: Split = getattr(subject.dataset, name)
    rng = np.random.default_rng([subject.seed, number, STREAM])
    rows = rng.permutation(len(split.images))[:most]
    images = split.images[rows]
    if subject.binarize == "dynamic":
        images = _drawn(images, rng)
    labels, conditional = split.labels[rows], subject.model.given is not None
    codes = draw(subject.params, _key(subject, number), images, labels if conditional else None)
    finite = np.isfinite(codes.points).all(axis=1) & np.isfinite(codes.elbo) & np.isfinite(codes.log_own)
    if not finite.all():
        raise InputError(f"the codes of {(~finite).sum():,} of {len(images):,} {name} images are not finite: overflow")
    return Encoded(images, labels, codes, conditional)


def _drawn(images: UInt8[np.ndarray, "N H W C"], rng: np.random.Generator) -> UInt8[np.ndarray, "N H W C"]:
    """Return pixels that are 255 with the grey value as the probability, else 0."""
    return ((rng.random(images.shape, np.float32) < unit(images)) * 255).astype(np.uint8)


def _refined(
    subject: Subject, extent: Extent, splits: Mapping[str, Encoded], progress: Callable[[str], None]
) -> list[Refined]:
    refine, results = make_refine(subject.model, extent.effort), []
    for number, (name, encoded) in enumerate(splits.items()):
        images = encoded.images[: extent.num_refined]
        words = f"of {len(images)} {name} images"
        report = lambda done, words=words: progress(f"refined the posteriors of {done} {words}")  # noqa: E731
        labels = encoded.given(extent.num_refined)
        results.append(refine(subject.params, _key(subject, 3 + number), images, report, labels))
    return results


def _annealed(
    subject: Subject, extent: Extent, test: Encoded, train: Encoded, progress: Callable[[str], None]
) -> dict[str, Float[np.ndarray, " B"]]:
    anneal, images = extent.anneal, test.images[: extent.num_refined]
    progress(f"annealing {min(anneal.num_images, len(images))} test images in {anneal.num_temperatures} temperatures")
    labels = test.given(extent.num_refined), train.given(len(train.images))
    bound = annealed_bound(subject.model, subject.params, _key(subject, 5), images, train.images, anneal, labels)
    return {anneal.name: bound}


def _key(subject: Subject, number: int) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(subject.seed), STREAM), number)
