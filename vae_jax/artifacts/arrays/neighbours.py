"""Nearest neighbours: of samples among training images, in pixels, and of codes among codes."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int, Num, UInt8

from vae_jax.artifacts.arrays.lookups import Lookup, parts
from vae_jax.artifacts.arrays.source import Source
from vae_jax.data.preprocess import unit

NUM_SAMPLED = 200
"""The samples whose neighbours are found."""
NUM_PAIRS = 12
"""The pairs that are drawn of the first samples, and again of those that are nearest to a training image."""
NEIGHBOURS = 10
MOST_CODES = 10_000
"""The most codes among which neighbours are looked for."""
BLOCK = 2**25
"""The most numbers in one block of distances, and of images as floats."""
SPARE = 4
"""Candidates beside the nearest, since distances are rounded; the exact ones decide."""


def nearest(
    points: Num[np.ndarray, "M *D"], others: Num[np.ndarray, "N *D"], k: int, own: bool = False
) -> tuple[Int[np.ndarray, "M k"], Float[np.ndarray, "M k"]]:
    """Return the indices of the k nearest others of every point, nearest first, and their Euclidean distances.

    Args:
        points: numbers; uint8 images are pixels in [0, 1].
        others: like points, at least k (k + 1 with `own`).
        k: the number of neighbours.
        own: True if point i is other i, which is no neighbour of itself.
    """
    points = _flat(points)
    centre = points.mean(axis=0)  # distances far from the origin would be rounded
    centred, kept = points - centre, min(k + SPARE + own, len(others))
    found, bounds = np.empty((len(points), 0), int), np.empty((len(points), 0), np.float32)
    step = max(kept, BLOCK // max(len(points), points.shape[1], 1))
    for start in range(0, len(others), step):
        block = _flat(others[start : start + step]) - centre
        # |p - o|^2 without |p|^2, which is the same for all others
        squares = np.square(block).sum(axis=1)[None] - 2 * centred @ block.T
        if own:
            rows = np.arange(start, start + len(block))
            squares[rows, rows - start] = np.inf
        among = np.argpartition(squares, min(kept, len(block)) - 1, axis=1)[:, :kept]
        found = np.concatenate([found, among + start], axis=1)
        bounds = np.concatenate([bounds, np.take_along_axis(squares, among, axis=1)], axis=1)
        best = np.argpartition(bounds, min(kept, bounds.shape[1]) - 1, axis=1)[:, :kept]
        found, bounds = (np.take_along_axis(part, best, axis=1) for part in (found, bounds))
    exact = _distances(points, others, found)
    exact[np.isinf(bounds)] = np.inf
    order = np.lexsort((found, exact), axis=1)[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(exact, order, axis=1)


def _flat(values: Num[np.ndarray, "N *D"]) -> Float[np.ndarray, "N E"]:
    return unit(values).reshape(len(values), -1).astype(np.float32, copy=False)


def _distances(
    points: Float[np.ndarray, "M E"], others: Num[np.ndarray, "N *D"], chosen: Int[np.ndarray, "M k"]
) -> Float[np.ndarray, "M k"]:
    """Return the distances of every point from the others chosen for it, without rounding that depends on the origin."""
    step = max(1, BLOCK // (chosen.shape[1] * points.shape[1]))
    parts = []
    for start in range(0, len(points), step):
        rows = chosen[start : start + step]
        near = _flat(others[rows.ravel()]).reshape(*rows.shape, -1)
        parts.append(np.linalg.norm(near.astype(np.float64) - points[start : start + step, None], axis=2))
    return np.concatenate(parts)


def pairs(source: Source, array: Lookup) -> Any:
    """Return (samples, nearest training images, distances per pixel, share) for `figures.fig_neighbours`.

    The share is that of `_share` with the validation images, which were parted from the training images by chance. Test images
    may be of other writers or cameras, and are only taken without validation images. It is None if one split is binarised and
    the other is not.
    """
    if source.sample is None or source.train is None or len(source.train.images) < 2:
        return None
    split, others = ("validation", source.val) if source.val and len(source.val.images) > 1 else ("test", source.test)
    labels = () if source.given is None else (np.resize(array("shown_classes"), NUM_SAMPLED),)
    samples = source.sample(NUM_SAMPLED, source.seed, *labels)
    train = source.train.images
    found, distances = nearest(samples, train, 1)
    closest = np.argsort(distances[:, 0], kind="stable")[:NUM_PAIRS]
    shown = np.concatenate([np.arange(NUM_PAIRS), closest])
    per_pixel = distances[shown, 0] / np.sqrt(samples[0].size)
    comparable = _binary(train) == _binary(others.images)
    share = (*_share(samples, train, others.images, source.seed), split) if comparable else None
    return samples[shown], unit(train[found[shown, 0]]), per_pixel, share


def _binary(images: UInt8[np.ndarray, "N H W C"]) -> bool:
    """Return True if the first images are black and white, without grey."""
    return bool(np.isin(images[:NUM_SAMPLED], (0, 255)).all())


def _share(
    samples: Float[np.ndarray, "n H W C"],
    train: UInt8[np.ndarray, "N H W C"],
    others: UInt8[np.ndarray, "M H W C"],
    seed: int,
) -> tuple[float, float, int]:
    """Return the share of samples that are nearer to a training image than to another, its standard error, the number of each.

    Equally many random images of both are compared. Samples are smoother than images, and thus nearer to all of them, but to both
    alike. Samples that are nearest to the same image count as one in the standard error.
    """
    rng, count = np.random.default_rng(seed), min(len(train), len(others), MOST_CODES)
    chosen = [part[np.sort(rng.choice(len(part), count, replace=False))] for part in (train, others)]
    found, distances = (
        np.concatenate(both, axis=1) for both in zip(*(nearest(samples, c, 1) for c in chosen), strict=True)
    )
    nearer = np.where(distances[:, 0] == distances[:, 1], 0.5, distances[:, 0] < distances[:, 1])
    side = distances.argmin(axis=1)
    _, sizes = np.unique(np.stack([side, found[np.arange(len(side)), side]]), axis=1, return_counts=True)
    independent = len(samples) ** 2 / np.square(sizes).sum()
    return float(nearer.mean()), float(0.5 / np.sqrt(independent)), count


def class_matrix(source: Source, array: Lookup) -> Any:
    """Return (matrix [K, K], k, names of the classes): in row i the classes of the k nearest codes of images of class i."""
    rows = np.sort(np.random.default_rng(source.seed).permutation(len(source.test.labels))[:MOST_CODES])
    labels = source.test.labels[rows]
    present, numbers = np.unique(labels, return_inverse=True)
    k = min(NEIGHBOURS, len(rows) - 1)
    codes = array("latents")[rows]
    if not source.class_names or len(present) < 2 or not np.isfinite(codes).all():
        return None
    found, _ = nearest(codes, codes, k, own=True)
    matrix = np.zeros((len(present), len(present)))
    np.add.at(matrix, (np.repeat(numbers, k), numbers[found].ravel()), 1)
    return matrix / matrix.sum(axis=1, keepdims=True), k, tuple(source.class_names[label] for label in present)


ARRAYS = {
    "neighbour_pairs": pairs,
    **parts("neighbour_pairs", *(f"neighbour_{name}" for name in ("samples", "images", "distances", "share"))),
    "class_matrix": class_matrix,
    **parts("class_matrix", *(f"neighbour_{name}" for name in ("matrix", "count", "names"))),
}
