"""The codes of test images on a plane, as small whole numbers for a page."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.report.page import hexadecimal
from vae_jax.runs.run import Run
from vae_jax.types import Dataset

NUM_CODES = 500
"""The most codes of a plane."""
GRID = 1000
"""The steps of a plane's coordinates along its longer side."""
MOST_CLASSES = 10
"""The most classes with colours that differ clearly."""


def of_test_images(run: Run, dataset: Dataset) -> dict[str, Any] | None:
    """Return the codes of random test images, the same for all runs of a data set, or None if they are not finite.

    Returns:
        points: [[x, y]] in steps of the longer side; labels of the classes, their colours and names; names of the axes.
    """
    from vae_jax.artifacts import figures

    count = len(dataset.test.images)
    rows = np.sort(np.random.default_rng(0).choice(count, min(NUM_CODES, count), replace=False))
    labels = run.labels_of(dataset, "test")
    codes, axes = geometry.project(run.latents(dataset.test.images[rows], None if labels is None else labels[rows]))
    if not np.isfinite(codes).all():
        return None
    size = np.ptp(codes, axis=0)
    side = float(size.max()) or 1.0
    points = GRID * ((codes - codes.min(axis=0)) / side + (1 - size / side) / 2)
    return {
        "points": np.round(points).astype(int).tolist(),
        "labels": dataset.test.labels[rows].tolist() if dataset.class_names else [],
        "colours": [hexadecimal(colour) for colour in figures.class_colours(len(dataset.class_names))],
        "names": list(dataset.class_names),
        "axes": [name for name in axes if name],
    }


def legend(planes: Sequence[dict[str, Any] | None]) -> list[tuple[str, str]]:
    """Return (class, colour) if all planes have the same classes, and not too many."""
    known = [plane for plane in planes if plane is not None]
    if not known or any(plane["names"] != known[0]["names"] for plane in known):
        return []
    names = known[0]["names"]
    return list(zip(names, known[0]["colours"], strict=False)) if len(names) <= MOST_CLASSES else []
