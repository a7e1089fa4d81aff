"""The film of the page: the codes of some test images at some steps of training, on the page's first plane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.artifacts.report.embedded_model import packed
from vae_jax.runs.latent_frames import load_frames
from vae_jax.runs.writer import read_metrics
from vae_jax.types import Dataset

MOST_FRAMES, MOST_CODES = 40, 500


def film(workdir: Path, dataset: Dataset, plane: Mapping[str, Any], last: int) -> dict[str, Any] | None:
    """Return {steps [F], epochs [F] or null, points [F, M, 2], labels [M]} of stored frames; None if there are not two.

    The points are float16 and lie on the plane, so that they can take the place of the page's points. Frames that are
    damaged, not finite, of another latent size, or later than the step `last` of the model, are left out.
    """
    loaded = load_frames(workdir, len(dataset.test.images), MOST_FRAMES, len(plane["centre"]))
    if loaded is None:
        return None
    steps, latents, rows = loaded
    finite = np.flatnonzero(np.isfinite(latents).all(axis=(1, 2)) & (np.array(steps) <= last))
    steps, latents = [steps[i] for i in finite], latents[finite]
    if len(steps) < 2:
        return None
    kept = _spread(len(rows), MOST_CODES)
    points = (latents[:, kept] - np.array(plane["centre"])) @ np.array(plane["axes"]).T
    return {
        "steps": steps,
        "epochs": _epochs(workdir, steps),
        "points": packed(points.astype(np.float32), "float16"),
        "labels": dataset.test.labels[rows[kept]].tolist() if dataset.class_names else [],
    }


def _epochs(workdir: Path, steps: list[int]) -> list[float] | None:
    """Return the epochs of these steps, which are those of the metrics in proportion; None without metrics."""
    rows = [row for row in read_metrics(workdir) if row["step"]]
    return [step * rows[-1]["epoch"] / rows[-1]["step"] for step in steps] if rows else None


def _spread(count: int, most: int) -> np.ndarray:
    """Return at most `most` indices below `count`, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
