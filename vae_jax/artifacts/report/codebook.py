"""The codebook of a model with discrete codes: how often each code is used, and the code maps of some test images."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Int32

from vae_jax.artifacts.arrays import examples, labels_of_examples
from vae_jax.artifacts.report.sprites import sheet
from vae_jax.evaluation.code_usage import Usage, count_codes
from vae_jax.models import given, places_and_levels
from vae_jax.runs.pieces import in_pieces
from vae_jax.runs.run import Run
from vae_jax.types import Dataset

NUM_IMAGES = 8


def codebook(run: Run, dataset: Dataset, results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the use of the codes as JSON, or None if z is not discrete.

    Returns:
        size: R K, the codes there are in all levels; levels: R. used, perplexity and counts [R K]: on the test split. places:
        those of an image's codes, such as "4 x 4", or "4 x 4 x 2" with R = 2. images and reconstructions: `sheet`s of 8 test
        images. maps [8][R][h][w]: their codes.
    """
    if run.model.codes is None:
        return None
    usage = Usage(_counts(run, dataset, results))
    images = examples(dataset.test, NUM_IMAGES)
    labels = labels_of_examples(run.labels_of(dataset, "test"), NUM_IMAGES)
    places, levels = places_and_levels(run.model)
    rows = (1, *places)[-2:]
    pixels = np.nan_to_num(run.reconstruct(images, labels))
    return {
        "size": usage.counts.size,
        "levels": levels,
        "used": usage.used,
        "perplexity": usage.perplexity,
        "counts": usage.counts.ravel().tolist(),
        "places": " x ".join(map(str, rows if levels == 1 else (*rows, levels))),
        "images": sheet(np.array(images), columns=len(images)),
        "reconstructions": sheet(np.round(255 * pixels.clip(0, 1)).astype(np.uint8), columns=len(images)),
        "maps": np.moveaxis(codes_of(run, images, labels).reshape(-1, *rows, levels), -1, 1).tolist(),
    }


def codes_of(run: Run, images: np.ndarray, labels: Any) -> Int32[np.ndarray, "N T"]:
    """Return the codes of images; the labels are those of a conditional model, else None."""

    @jax.jit
    def compute(params: Any, rows: Any) -> Any:
        model = given(run.model, rows[1])
        assert model.codes is not None
        return model.codes(params, model.reparameterize(params, None, model.encode(params, rows[0])).z)

    return in_pieces(partial(compute, run.params), run.with_labels(images, labels), run.config.eval.batch_size)


def _counts(run: Run, dataset: Dataset, results: Mapping[str, Any]) -> np.ndarray:
    """Return how often each code is used on the test split [R, K]: from the results if they are those of this checkpoint."""
    _, levels = places_and_levels(run.model)
    counts = results.get("codes", {}).get("counts", [])
    if len(counts) == levels * run.model.num_codes and _evaluated_step(results) == run.step:
        return np.array(counts).reshape(levels, -1)
    codes = codes_of(run, dataset.test.images, run.labels_of(dataset, "test"))
    return count_codes(codes, run.model.num_codes, levels).counts


def _evaluated_step(results: Mapping[str, Any]) -> int:
    """Return the step of the best checkpoint, which the results belong to."""
    return round(results["best_epoch"] * results["step"] / results["epochs"]) if results["epochs"] else 0
