"""The data of the page's explorer: the network, encoded test images, planes to show them on, ranges of sliders."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.artifacts import arrays
from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.report.embedded_model import embed, packed
from vae_jax.artifacts.report.sprites import framing, sheet, tile_size
from vae_jax.evaluation.per_image import activity, is_active
from vae_jax.models.networks import Layers
from vae_jax.runs.run import Run
from vae_jax.types import Dataset

MOST_POINTS, FEWEST_POINTS = 2000, 100
MOST_TILE_BYTES = 2**23
"""The most bytes of all thumbnails together, before compression."""
MOST_NUMBERS = 6_000_000
"""The most weights in a page: 12 MB as float16, 16 MB as text."""
NUM_DRAWS = 500
"""The draws from a learned prior that a page holds."""
SLIDER_REACH = 4.0
"""The least standard deviations of the prior that a slider covers."""


def too_large(layers: Layers) -> str:
    """Return the reason why the network is left out of the page; empty if it fits."""
    count = sum(array.size for part in layers for layer in part for array in layer.arrays.values())
    if count <= MOST_NUMBERS:
        return ""
    return f"The network has {count:,} weights, more than the {MOST_NUMBERS:,} that a page can carry, so nothing is decoded here."


def content(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Return everything that the explorer draws, as JSON; only `reason` if the network is too large.

    Returns:
        network: see `embed`. classes: the names of those that a conditional model is given, else []. points: the codes of
        random test images, their labels, indices in the test split and thumbnails.
        planes: {name, axes [2][Z], centre [Z], labels} to show them on; tiles: the decoded plane's tiles along a side.
        dimensions: {index, kl, active} on the whole test split, largest KL first. reach: the range of a slider.
    """
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    if run.model.layers is None or run.model.place is None:
        return {"reason": f"The page cannot run a model={run.config.model}, so nothing is decoded here."}
    layers = run.model.layers(run.params)
    reason = too_large(layers)
    if reason:
        return {"reason": reason}
    rows = np.sort(_rows(run, dataset))
    images = dataset.test.images[rows]
    labels = run.labels_of(dataset, "test")
    means = run.latents(dataset.test.images, labels)
    codes = means[rows]
    with_prior, by_kl = run.model.prior is not None, "columns" in run.model.traits
    kl = run.kl_terms(dataset.test.images, labels).mean(axis=0, dtype=np.float64) if by_kl else None
    order = geometry.by_kl(means, kl)
    return {
        "reason": "",
        "network": embed(layers, draws=_draws(run, layers), num_classes=len(run.class_names)),
        "classes": list(run.class_names),
        "points": {
            "codes": packed(codes),
            "rows": rows.tolist(),
            "labels": dataset.test.labels[rows].tolist() if dataset.class_names else [],
            "classNames": list(dataset.class_names),
            "colours": [_hexadecimal(colour) for colour in figures.class_colours(len(dataset.class_names))],
            "sheet": sheet(images),
        },
        "planes": planes(codes, order, "KL" if by_kl else "variance"),
        "tiles": figures.plane_tiles(run.shape[1]),
        "dimensions": dimensions(means, kl, order, labels),
        "reach": max(SLIDER_REACH if with_prior else 0.0, _rounded_up(float(np.abs(codes).max(initial=0.0)))),
        "start": [0.0] * codes.shape[1] if with_prior else codes.mean(axis=0, dtype=np.float64).tolist(),
        "framing": framing(images),
    }


def _draws(run: Run, layers: Layers) -> Float[np.ndarray, "N Z"] | None:
    """Return draws from a learned prior; None if the page draws by itself, from N(0, I) or through `layers.prior`."""
    by_itself = run.standard_prior or layers.prior or run.model.prior is None
    return None if by_itself else run.sample_prior(NUM_DRAWS, run.config.seed)


def _rows(run: Run, dataset: Dataset) -> np.ndarray:
    height, width = tile_size(run.shape)
    most = MOST_TILE_BYTES // (height * width * run.shape[2])
    source = arrays.Source(
        run.latents, run.decode, run.reconstruct, dataset.test, dataset.class_names, {}, run.config.seed
    )
    return arrays.random_rows(source, min(MOST_POINTS, max(FEWEST_POINTS, most)))


def planes(codes: Float[np.ndarray, "N Z"], order: list[int], largest: str) -> list[dict[str, Any]]:
    """Return the plane itself for two dimensions, else that of two principal components and that of the first two in `order`.

    `largest` names the quantity by which the dimensions are ordered.
    """
    size = codes.shape[1]
    (centre, axes), labels = geometry.principal_axes(codes)
    own = {"centre": centre.tolist(), "axes": axes.T.tolist(), "labels": list(labels)}
    if size <= 2:
        return [{"name": "the latent plane" if size == 2 else "the latent line", **own}]
    chosen = order[:2]
    units = {
        "name": f"the two dimensions of largest {largest}",
        "centre": [0.0] * size,
        "axes": np.eye(size)[chosen].tolist(),
        "labels": [f"z{k + 1}" for k in chosen],
    }
    return [{"name": "principal components", **own}, units]


def dimensions(
    means: Float[np.ndarray, "N Z"], kl: Float[np.ndarray, " K"] | None, order: list[int], labels: Any = None
) -> list[dict[str, Any]]:
    """Return {index, kl in nats or null, active} in the given order; without KL all are active. `labels`: see `activity`."""
    active = is_active(activity(means, labels))
    return [
        {"index": k, "kl": None if kl is None else float(kl[k]), "active": bool(active[k]) or kl is None} for k in order
    ]


def _rounded_up(value: float) -> float:
    """Round up to two digits, so that a slider's end can be read; 1 for nothing."""
    if not value or not math.isfinite(value):
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit


def _hexadecimal(rgba: Float[np.ndarray, " 4"]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgba[:3])
