"""The usefulness of codes: classes predicted from posterior means, compared with pixels and principal components."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int32, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.evaluation.health.verdicts import REPRESENTATION, UNDECIDED, Line

NEIGHBOURS = 10
NMI_TOLERANCE = 0.05
"""The difference that another start of the mixture can make."""
BLOCKS = 20
"""The number of blocks of test images, left out in turn by the jackknife."""
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
    """The scores of one kind of features on test images."""

    logistic: float
    """The share of classes that logistic regression predicts correctly."""
    neighbours: float
    """The share that the majority of the 10 nearest neighbours predicts correctly."""
    nmi: float | None
    """The normalised mutual information of classes and clusters, 0 to 1, or None if not measured."""
    clusters: Int[np.ndarray, " M"] | None
    """The clusters of test images, from a Gaussian mixture with one component per class, or None if not measured."""


def probe_features(train: Labelled, test: Labelled, seed: int) -> dict[str, Probe]:
    """Probe posterior means, as many principal components of the pixels, and the pixels themselves.

    All probes are fitted on the training images, with features in their own units. Pixels are not clustered: their covariance
    has too many numbers.
    """
    from sklearn.decomposition import PCA

    pixels = [unit(split.images.reshape(len(split.images), -1)) for split in (train, test)]
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
    nmi = clusters = None
    if clustered:
        mixture = GaussianMixture(len(np.unique(train_labels)), n_init=3, reg_covar=1e-4, random_state=seed)
        clusters = mixture.fit(np.asarray(train, np.float64)).predict(np.asarray(test, np.float64))
        nmi = _nmi(test_labels, clusters)
    scores = logistic.score(test, test_labels), neighbours.score(test, test_labels)
    return Probe(float(scores[0]), float(scores[1]), nmi, clusters)


def _nmi(labels: Int32[np.ndarray, " M"], clusters: Int[np.ndarray, " M"]) -> float:
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters))


def difference_error(
    labels: Int32[np.ndarray, " M"], one: Int[np.ndarray, " M"], other: Int[np.ndarray, " M"]
) -> float:
    """Return the standard error of the difference of two clusterings' mutual information over test images, by the jackknife."""
    block = np.arange(len(labels)) % BLOCKS
    rests = [block != i for i in range(BLOCKS)]
    differences = [_nmi(labels[rest], one[rest]) - _nmi(labels[rest], other[rest]) for rest in rests]
    return float(np.sqrt((BLOCKS - 1) * np.var(differences)))


def representation_lines(train: Labelled, test: Labelled, seed: int, conditional: bool = False) -> list[Line]:
    """Return a line for each kind of probe, or one line if there are no labels, or if the codes are computed from them."""
    if conditional:
        words = "codes are computed from the image and its class, so they give the class away"
        return [Line(REPRESENTATION, words, UNDECIDED)]
    if len(np.unique(train.labels)) < 2:
        return [Line(REPRESENTATION, "the images have no labels, or all the same", UNDECIDED)]
    from threadpoolctl import threadpool_limits

    # See `two_sample_test`: 12 s for 10,000 images of MNIST, on a busy machine 80 s with threads.
    with threadpool_limits(1):
        probes = probe_features(train, test, seed)
        own, other = list(probes.values())[:2]
        assert own.clusters is not None
        assert other.clusters is not None
        nmi_error = difference_error(test.labels, own.clusters, other.clusters)
    counts = f"{len(train.labels):,} train, {len(test.labels):,} test images"
    return [_line(way, probes, counts, len(test.labels), nmi_error) for way in LINES]


def _line(way: str, probes: dict[str, Probe], counts: str, count: int, nmi_error: float) -> Line:
    scores = {name: getattr(probe, way) for name, probe in probes.items() if getattr(probe, way) is not None}
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
