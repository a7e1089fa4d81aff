"""The examination of a model with discrete codes: which of them are used, and whether the elbo holds on new images."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from vae_jax.evaluation.code_usage import usage_of
from vae_jax.evaluation.health import lines
from vae_jax.evaluation.health.codes import BATCH, DrawCodes, make_draw_codes
from vae_jax.evaluation.health.subject import Subject, encode_split, key_of
from vae_jax.evaluation.health.summary import difference
from vae_jax.evaluation.health.verdicts import Line
from vae_jax.evaluation.health.work import CODES


def examine_codes(
    subject: Subject,
    counts: tuple[int, int],
    begin: Callable[[float], None],
    progress: Callable[[str, float], None],
) -> Iterator[Line]:
    """Yield the lines of `examine` that need no gradient for z.

    Args:
        subject: a model with discrete codes, and its data.
        counts: the numbers of training and of test images to encode.
        begin: see `examine`.
        progress: see `examine`.

    Raises:
        InputError: some images have no finite code.
    """
    draw = make_draw_codes(subject.model)
    begin(_seconds(subject, draw, sum(counts)))
    train = encode_split(subject, draw, "train", counts[0], 0)
    progress(CODES, counts[0] / sum(counts))
    test = encode_split(subject, draw, "test", counts[1], 1)
    progress(CODES, 1.0)
    assert subject.model.codes is not None
    usage = usage_of(subject.model, np.asarray(subject.model.codes(subject.params, test.codes.z)))
    assert usage is not None
    yield lines.codes_used(usage, float(test.codes.kl.mean()), len(test.images), subject.remedy)
    yield lines.gap(difference(train.codes.elbo, test.codes.elbo), float(test.codes.elbo.std()))


def _seconds(subject: Subject, draw: DrawCodes, count: int) -> float:
    """Return the time to encode so many images, from that of a batch; compilation is over afterwards."""
    split = subject.dataset.train
    images, labels = split.images[:BATCH], split.labels[:BATCH] if subject.model.given is not None else None
    started = 0.0
    for _ in range(2):
        started = time.monotonic()
        draw(subject.params, key_of(subject, 0), images, labels)
    return (time.monotonic() - started) * count / len(images)
