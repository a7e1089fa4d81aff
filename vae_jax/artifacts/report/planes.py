"""The planes through the latent space that the page shows, and its dimensions in one order."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from vae_jax.artifacts.arrays import geometry
from vae_jax.evaluation.per_image import activity, is_active

FEWEST_CLASSES = 3
"""The fewest classes whose differences span a plane."""


def planes(
    codes: Float[np.ndarray, "N Z"],
    order: list[int],
    largest: str,
    by_activity: list[int] | None = None,
    labels: Int[np.ndarray, " N"] | None = None,
    noise: Float[np.ndarray, " Z"] | float = 0.0,
) -> list[dict[str, Any]]:
    """Return {name, kind, axes [2][Z], centre [Z], labels} of the planes; the axes are orthonormal.

    For at most two dimensions it is the plane itself; else that of two principal components, those of two dimensions, and
    that of the linear discriminants of at least three classes.

    Args:
        codes: the codes of the page's images.
        order: the dimensions by the quantity that `largest` names.
        largest: see `order`.
        by_activity: the dimensions by the variance of their means; None: they are in `order`.
        labels: the classes of the images, -1 if unknown; None: there are none.
        noise: see `geometry.discriminant_axes`.
    """
    size = codes.shape[1]
    axes, names = geometry.principal_axes(codes)
    if size <= 2:
        return [_plane("the latent plane" if size == 2 else "the latent line", axes, names)]
    found = [_plane("principal components", axes, names)]
    if by_activity and set(by_activity[:2]) != set(order[:2]):
        found.append(_pair("the two most active dimensions", by_activity[:2], size))
    found.append(_pair(f"the two dimensions of largest {largest}", order[:2], size))
    known = np.zeros(len(codes), bool) if labels is None else labels >= 0
    if labels is not None and len(np.unique(labels[known])) >= FEWEST_CLASSES:
        discriminants = geometry.discriminant_axes(codes[known], labels[known], noise)
        found.append(_plane("class differences (linear discriminants)", *discriminants))
    return found


def _plane(name: str, axes: geometry.Axes, labels: tuple[str, ...]) -> dict[str, Any]:
    centre, directions = axes
    return {
        "name": name,
        "kind": "linear",
        "centre": centre.tolist(),
        "axes": directions.T.tolist(),
        "labels": list(labels),
    }


def _pair(name: str, chosen: list[int], size: int) -> dict[str, Any]:
    """Return the plane of two dimensions, through the origin."""
    return _plane(name, (np.zeros(size), np.eye(size)[:, chosen]), tuple(f"z{k + 1}" for k in chosen))


def dimensions(
    means: Float[np.ndarray, "N Z"], kl: Float[np.ndarray, " K"] | None, order: list[int], labels: Any = None
) -> list[dict[str, Any]]:
    """Return {index, kl in nats or null, active} in the given order; without KL all are active. `labels`: see `activity`."""
    active = is_active(activity(means, labels))
    return [
        {"index": k, "kl": None if kl is None else float(kl[k]), "active": bool(active[k]) or kl is None} for k in order
    ]
