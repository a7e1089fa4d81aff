"""What the codes are good for: classes read from posterior means by simple methods, beside pixels and principal components."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int32, UInt8

from vae_jax.data.preprocess import unit_interval
from vae_jax.evaluation.health.verdicts import CANNOT_TELL, REPRESENTATION, Line

NEIGHBOURS = 10
NMI_TOLERANCE = 0.05
"""What another start of the mixture may change."""
BLOCKS = 20
"""Of test images, left out one by one to see what others would change."""
LINES = {
    "logistic": "logistic regression",
    "neighbours": f"{NEIGHBOURS} neighbours",
    "nmi": "clusters",
}
SCORES = {"logistic": "accuracy", "neighbours": "accuracy", "nmi": "normalised mutual information"}


class Labelled(NamedTuple):
    """Images of one split with their codes."""

    means: Float[np.ndarray, "N Z"]
    """Posterior means."""
    images: UInt8[np.ndarray, "N H W C"]
    labels: Int32[np.ndarray, " N"]


class Probe(NamedTuple):
    """What was read from one kind of features of images that were not used for it."""

    logistic: float
    """Share of classes that logistic regression gets right."""
    neighbours: float
    """Share that the majority of the 10 nearest neighbours gets right."""
    nmi: float | None
    """Normalised mutual information of classes and clusters, 0 to 1; None where it was not asked for."""
    clusters: Int[np.ndarray, " M"] | None
    """Of the test images, from a Gaussian mixture of one component a class."""


def probe_features(train: Labelled, test: Labelled, seed: int) -> dict[str, Probe]:
    """Probes of posterior means, of as many principal components of the pixels, and of the pixels themselves.

    All are fitted on the training images, the features in their own units. The pixels are not clustered: their covariance
    has too many numbers.
    """
    from sklearn.decomposition import PCA

    pixels = [unit_interval(split.images.reshape(len(split.images), -1)) for split in (train, test)]
    size = min(train.means.shape[1], *pixels[0].shape)
    components = PCA(size, random_state=seed).fit(pixels[0])
    features = {
        "means": [train.means, test.means],
        f"PCA {size}": [components.transform(values) for values in pixels],
        "pixels": pixels,
    }
    return {
        name: _probe(of_train, of_test, train.labels, test.labels, seed, name != "pixels")
        for name, (of_train, of_test) in features.items()
    }


def _probe(
    train: Float[np.ndarray, "N D"],
    test: Float[np.ndarray, "M D"],
    train_labels: Int32[np.ndarray, " N"],
    test_labels: Int32[np.ndarray, " M"],
    seed: int,
    clustered: bool,
) -> Probe:
    from sklearn.linear_model import LogisticRegression
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KNeighborsClassifier

    logistic = LogisticRegression(max_iter=1000).fit(train, train_labels)
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(train))).fit(train, train_labels)
    nmi = found = None
    if clustered:
        mixture = GaussianMixture(len(np.unique(train_labels)), n_init=3, reg_covar=1e-4, random_state=seed)
        found = mixture.fit(np.asarray(train, np.float64)).predict(np.asarray(test, np.float64))
        nmi = _nmi(test_labels, found)
    scores = logistic.score(test, test_labels), neighbours.score(test, test_labels)
    return Probe(float(scores[0]), float(scores[1]), nmi, found)


def _nmi(labels: Int32[np.ndarray, " M"], clusters: Int[np.ndarray, " M"]) -> float:
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters))


def difference_error(
    labels: Int32[np.ndarray, " M"], one: Int[np.ndarray, " M"], other: Int[np.ndarray, " M"]
) -> float:
    """Standard error of the difference of two clusterings' mutual information over test images, by the jackknife."""
    block = np.arange(len(labels)) % BLOCKS
    rests = [block != i for i in range(BLOCKS)]
    found = [_nmi(labels[rest], one[rest]) - _nmi(labels[rest], other[rest]) for rest in rests]
    return float(np.sqrt((BLOCKS - 1) * np.var(found)))


def representation_lines(train: Labelled, test: Labelled, seed: int) -> list[Line]:
    """A line for each way of reading classes; without labels one that says so."""
    if len(np.unique(train.labels)) < 2:
        return [Line(REPRESENTATION, "the images have no labels, or all the same", CANNOT_TELL)]
    from threadpoolctl import threadpool_limits

    # As in `two_sample_test`: 12 s for 10,000 images of MNIST, on a busy machine 80 s with threads.
    with threadpool_limits(1):
        found = probe_features(train, test, seed)
        own, other = list(found.values())[:2]
        assert own.clusters is not None
        assert other.clusters is not None
        nmi_error = difference_error(test.labels, own.clusters, other.clusters)
    counts = f"{len(train.labels):,} train, {len(test.labels):,} test images"
    return [_line(way, found, counts, len(test.labels), nmi_error) for way in LINES]


def _line(way: str, found: dict[str, Probe], counts: str, count: int, nmi_error: float) -> Line:
    scores = {name: getattr(probe, way) for name, probe in found.items() if getattr(probe, way) is not None}
    (own, *_), (rival, other) = scores.values(), list(scores.items())[1]
    text = f"{SCORES[way]} {', '.join(f'{name} {score:.3f}' for name, score in scores.items())} ({counts})"
    reach = 2 * np.sqrt((own * (1 - own) + other * (1 - other)) / count)
    if way == "nmi":
        reach = max(NMI_TOLERANCE, 2 * nmi_error)
    if abs(own - other) <= reach:
        verdict = f"as good as {rival}"
    else:
        verdict = f"better than {rival}" if own > other else f"worse than {rival}"
    return Line(LINES[way], text, verdict, numbers={"scores": scores, "num_train_test": counts})
