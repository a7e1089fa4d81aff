"""Points in latent space: projections, grids, straight and spherical walks, one dimension at a time."""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

from vae_jax.evaluation.per_image import activity

LEAST_SHARE = 1e-3
"""The share of the mean variance within classes that `discriminant_axes` adds to every direction."""

Axes = tuple[Float[np.ndarray, " Z"], Float[np.ndarray, "Z 2"]]


def principal_axes(latents: Float[np.ndarray, "N Z"]) -> tuple[Axes, tuple[str, str]]:
    """Return (centre [Z], axes [Z, 2]) for `(latents - centre) @ axes`, and the names of the two coordinates.

    The axes are the latents' own if Z = 2, else two principal components; a single dimension is drawn against zero. The name
    of a component holds its share of the total variance.
    """
    size = latents.shape[1]
    if size <= 2:
        return (np.zeros(size), np.eye(size, 2)), ("z1", "z2" if size == 2 else "")
    centre = latents.mean(axis=0, dtype=np.float64)
    _, singular, axes = np.linalg.svd(latents.astype(np.float64) - centre, full_matrices=False)
    axes = np.pad(axes[:2], ((0, 2 - len(axes[:2])), (0, 0)))
    axes = _signed(axes)
    share = np.pad(singular, (0, 2))[:2] ** 2 / max(float((singular**2).sum()), np.finfo(np.float64).tiny)
    names = [f"principal component {i + 1} ({share[i]:.0%} of variance)" for i in range(2)]
    return (centre, axes.T), (names[0], names[1])


def discriminant_axes(
    latents: Float[np.ndarray, "N Z"], labels: Int[np.ndarray, " N"], noise: Float[np.ndarray, " Z"] | float = 0.0
) -> tuple[Axes, tuple[str, str]]:
    """Return (centre [Z], axes [Z, 2]) of the plane in which classes differ most, and the names of the two coordinates.

    The axes span the first two linear discriminants (Fisher 1936): the directions of the largest variance between classes
    for a variance within classes of 1. They are orthonormal, so that a point of the plane is a point of the latent space.
    The noise of the posterior counts as variance within classes: a class difference that is smaller than the noise changes no
    decoded image. A share of the mean variance is added, so that dimensions that carry nothing do not count without noise.

    Args:
        latents: the codes of the images, Z > 1.
        labels: at least three different ones.
        noise: the mean variance of the posterior in each dimension; 0 for points.
    """
    centre = latents.mean(axis=0, dtype=np.float64)
    codes = latents.astype(np.float64) - centre
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.stack([codes[classes == k].mean(axis=0) for k in range(len(counts))])
    within = codes - means[classes]
    scatter = within.T @ within / len(codes) + np.diag(np.broadcast_to(noise, codes.shape[1:]))
    scatter += LEAST_SHARE * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    values, vectors = np.linalg.eigh(scatter)
    whiten = vectors / np.sqrt(np.maximum(values, np.finfo(np.float64).tiny))
    _, singular, directions = np.linalg.svd(np.sqrt(counts / len(codes))[:, None] * means @ whiten, full_matrices=False)
    axes = np.linalg.qr(whiten @ directions[:2].T)[0].T
    share = singular[:2] ** 2 / max(float((singular**2).sum()), np.finfo(np.float64).tiny)
    names = [f"linear discriminant {i + 1} ({share[i]:.0%} of class differences)" for i in range(2)]
    return (centre, _signed(axes).T), (names[0], names[1])


def _signed(axes: Float[np.ndarray, "2 Z"]) -> Float[np.ndarray, "2 Z"]:
    """Make the largest weight of every axis positive, so that a picture does not flip between machines."""
    return axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))


def project(latents: Float[np.ndarray, "N Z"]) -> tuple[Float[np.ndarray, "N 2"], tuple[str, str]]:
    """Return two coordinates of the latents, along their own `principal_axes`, and the coordinates' names."""
    (centre, axes), names = principal_axes(latents)
    return ((latents - centre) @ axes).astype(np.float32), names


def even_coordinates(size: int, reach: float = 3.0) -> Float[np.ndarray, " size"]:
    """Return `size` equally spaced coordinates from -reach to reach."""
    return np.linspace(-reach, reach, size)


def reach_of(latents: Float[np.ndarray, "N Z"]) -> float:
    """Return the range [-reach, reach] that holds 98% of the latents on every axis, rounded up to tenths; at least 1."""
    ends = np.abs(np.quantile(latents.astype(np.float64), [0.01, 0.99], axis=0)).max()
    return max(1.0, math.ceil(10 * float(ends)) / 10) if math.isfinite(ends) else 1.0


def quantile_coordinates(size: int) -> Float[np.ndarray, " size"]:
    """Return the quantiles of N(0, 1) at (i + 1/2) / size: the middles of `size` parts of equal probability."""
    return ndtri((np.arange(size) + 0.5) / size)


def plane(coordinates: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n*n 2"]:
    """Return every pair (z1, z2) in reading order: z1 grows to the right, z2 grows upwards."""
    z2, z1 = np.meshgrid(coordinates[::-1], coordinates, indexing="ij")
    return np.stack([z1.ravel(), z2.ravel()], axis=1).astype(np.float32)


def square_around(latents: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "2 2"]:
    """Return the low and the high corner of a square that holds 99% of the latents on both axes."""
    finite = np.where(np.isfinite(latents), latents, np.nan).astype(np.float64)
    low, high = np.nan_to_num(np.nanquantile(finite, [0.005, 0.995], axis=0))
    half = max(float((high - low).max()) / 2, 1e-3)
    return (low + high) / 2 + np.array([[-half], [half]])


def between_corners(corners: Float[np.ndarray, "4 Z"], n: int) -> Float[np.ndarray, "points Z"]:
    """Return a square of n x n points in reading order, bilinear between its corners, which are in reading order too."""
    t = np.linspace(0, 1, n)
    left, right = (straight_walk(corners[i], corners[i + 2], n) for i in (0, 1))
    points = (1 - t)[None, :, None] * left[:, None] + t[None, :, None] * right[:, None]
    return points.reshape(n * n, -1).astype(np.float32)


def straight_walk(start: Float[np.ndarray, " Z"], end: Float[np.ndarray, " Z"], n: int) -> Float[np.ndarray, "n Z"]:
    """Return n points at equal steps on the straight line between two points, both included."""
    t = np.linspace(0, 1, n)[:, None]
    return ((1 - t) * start + t * end).astype(np.float32)


def spherical_walk(start: Float[np.ndarray, " Z"], end: Float[np.ndarray, " Z"], n: int) -> Float[np.ndarray, "n Z"]:
    """Return n points from start to end at equal steps of the angle; their distance from the origin changes evenly.

    On a sphere this is slerp (Shoemake 1985): sin((1-t) w) / sin w * a + sin(t w) / sin w * b, with w the angle between the
    unit vectors a and b. Between opposite points the walk passes through the coordinate axis that is farthest from both.
    Parallel points, and the origin, have no angle between them: the walk is straight.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if min(lengths) == 0:
        return straight_walk(start, end, n)
    a, b = a / lengths[0], b / lengths[1]
    across = b - (a @ b) * a
    if np.linalg.norm(across) < 1e-7:
        if a @ b > 0 or len(a) == 1:
            return straight_walk(start, end, n)
        across = np.eye(len(a))[np.abs(a).argmin()]
        across = across - (across @ a) * a
    across = across / np.linalg.norm(across)
    t = np.linspace(0, 1, n)[:, None]
    angle = t * np.arctan2(b @ across, a @ b)
    points = ((1 - t) * lengths[0] + t * lengths[1]) * (np.cos(angle) * a + np.sin(angle) * across)
    points[0], points[-1] = start, end
    return points.astype(np.float32)


def by_kl(means: Float[np.ndarray, "N Z"], kl: Float[np.ndarray, " K"] | None) -> list[int]:
    """Return the latent dimensions, largest KL first; without KL, those of largest variance first.

    This is the one order of dimensions, in every figure and on the page. K > Z if there is a layer above, whose terms are
    left out.
    """
    return np.argsort(-(activity(means) if kl is None else kl[: means.shape[1]]), kind="stable").tolist()


def one_at_a_time(
    dimensions: list[int], coordinates: Float[np.ndarray, " n"], size: int
) -> Float[np.ndarray, "points Z"]:
    """Return n points [size] for every dimension: it takes the coordinates, all others are zero."""
    points = np.zeros((len(dimensions), len(coordinates), size), np.float32)
    for row, dimension in enumerate(dimensions):
        points[row, :, dimension] = coordinates
    return points.reshape(-1, size)
