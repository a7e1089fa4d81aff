"""The data of the page's grid of codes to paint with: the network, the codes of test images, and a picture of each code."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, Int32, UInt8

from vae_jax.artifacts.arrays import in_turn, labels_of_examples
from vae_jax.artifacts.report.codebook import codes_of
from vae_jax.artifacts.report.embedded_model import embed
from vae_jax.artifacts.report.explorer import too_large
from vae_jax.artifacts.report.sprites import framing, sheet
from vae_jax.data.preprocess import unit
from vae_jax.models import given, places_and_levels, require_prior
from vae_jax.runs.pair import PAIR
from vae_jax.runs.run import Run
from vae_jax.types import Dataset

NUM_IMAGES = 200
"""The most test images whose codes a page can start from."""
MOST_CODES = 60_000
"""The most codes of all these images together, and of all draws from a learned prior."""
MOST_LISTED = 512
"""The most codes of a level that a person can choose from."""
NUM_DRAWS = 200
ACROSS = 8
"""The places in a row of the page's grid, if they have no place on the image."""


def content(run: Run, dataset: Dataset, counts: list[int]) -> dict[str, Any]:
    """Return everything that the grid of codes needs, as JSON; only `reason` if the page cannot run the network.

    Args:
        run: a model with discrete codes.
        dataset: its test split is shown.
        counts: how often each code is used on the test split, all codes of the first level first.

    Returns:
        network: see `embed`. rows, columns: of the grid that is drawn; levels: R; whole: true if a code has no place on the
        image. images: the `sheet` of test images; codes [n][T]; errors [n]; titles [n]; labels [n] that the
        networks are given, else []. typical: the image with the median error. listed [R][..]: the codes of each level, most
        used first; patches: the `sheet` of their pictures, level by level, or null. draws: see `_draws`; classes: the names of
        those that the networks or a learned prior are given, else []. framing: see `framing`. finite: false if a decoded
        pixel is no number.
    """
    if run.model.layers is None:
        return {"reason": f"The page cannot run a likelihood={run.config.likelihood}, so nothing is decoded here."}
    layers = run.model.layers(run.params)
    if reason := too_large(layers):
        return {"reason": reason}
    (*_, columns), levels = places_and_levels(run.model)
    whole = "conv" not in run.model.traits
    places = math.prod(run.model.grid) // levels
    rows = places // columns
    shown = _shown(run, dataset)
    listed = [_most_used(np.array(counts).reshape(levels, -1)[level]) for level in range(levels)]
    pictures = None if whole else _pictures(run, shown, listed, (rows, columns))
    return {
        "reason": "",
        "network": embed(layers, with_prior=True, num_codes=run.model.num_codes),
        "rows": -(-places // ACROSS) if whole else rows,
        "columns": min(places, ACROSS) if whole else columns,
        "levels": levels,
        "whole": whole,
        "images": sheet(shown.images),
        "codes": shown.codes.tolist(),
        "errors": shown.errors.tolist(),
        "titles": shown.titles,
        "labels": shown.labels.tolist() if any(layer.kind == "label" for layer in layers.decoder) else [],
        "typical": int(np.argsort(shown.errors)[len(shown.errors) // 2]),
        "listed": [codes.tolist() for codes in listed],
        "patches": None if pictures is None else sheet(pictures, lossless=True),
        "draws": _draws(run),
        "classes": list(run.class_names),
        "framing": framing(shown.images),
        "finite": bool(np.isfinite(shown.decoded).all()),
    }


class Shown(NamedTuple):
    """The test images on the page."""

    images: UInt8[np.ndarray, "n H W C"]
    codes: Int32[np.ndarray, "n T"]
    decoded: Float[np.ndarray, "n H W C"]
    errors: Float[np.ndarray, " n"]
    """The squared error per pixel of each decoded image."""
    titles: list[str]
    labels: Int32[np.ndarray, " n"]


def _shown(run: Run, dataset: Dataset) -> Shown:
    """Encode and decode the first test images, all classes in turn."""
    most = max(1, min(NUM_IMAGES, MOST_CODES // math.prod(run.model.grid)))
    rows = in_turn(dataset.test.labels)[:most]
    images, labels = dataset.test.images[rows], labels_of_examples(run.labels_of(dataset, "test"), most)
    decoded = run.reconstruct(images, labels)
    errors = np.nan_to_num(np.square(decoded - unit(images)).mean(axis=(1, 2, 3)), nan=1e9)
    names = dataset.class_names
    titles = [f"test image {row:,}" + f" (class {names[dataset.test.labels[row]]})" * bool(names) for row in rows]
    return Shown(images, codes_of(run, images, labels), decoded, errors, titles, dataset.test.labels[rows])


def _most_used(counts: Int[np.ndarray, " K"]) -> Int[np.ndarray, " n"]:
    return np.argsort(-counts, kind="stable")[:MOST_LISTED]


def _pictures(
    run: Run, shown: Shown, listed: list[Int[np.ndarray, " n"]], grid: tuple[int, int]
) -> UInt8[np.ndarray, "m y x C"]:
    """Return a picture of each listed code, level by level.

    It is the mean of what is decoded at the places that have the code. If no shown image has it, these are the places of an
    image that has it at all of them, and has the most used codes of the other levels.
    """
    model, levels, found = run.model, len(listed), []
    assert model.from_codes is not None
    for level, own in enumerate(listed):
        everywhere = np.tile([codes[0] for codes in listed], (len(own), math.prod(grid), 1))
        everywhere[..., level] = own[:, None]
        z = jax.jit(model.from_codes)(run.params, everywhere.reshape(len(own), -1).astype(np.int32))
        of_level = shown.codes.reshape(-1, *grid, levels)[..., level]
        means, counts = patches(shown.decoded, of_level, own)
        others, _ = patches(
            run.decode(z, 0 if run.class_names else None), everywhere[..., level].reshape(-1, *grid), own
        )
        found.append(np.where(counts[:, None, None, None] > 0, means, others))
    return np.round(255 * np.concatenate(found)).astype(np.uint8)


def patches(
    decoded: Float[np.ndarray, "N H W C"], codes: Int[np.ndarray, "N h w"], listed: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n y x C"], Float[np.ndarray, " n"]]:
    """Return the mean of what is decoded at the places of each listed code, and their number; 0 for a code that has none.

    Places are equal parts of the image, as far as whole pixels allow.
    """
    (height, width, channels), (rows, columns) = decoded.shape[1:], codes.shape[1:]
    tall, wide = -(-height // rows), -(-width // columns)
    order = np.argsort(listed)
    sums, counts = np.zeros((len(listed), tall, wide, channels)), np.zeros(len(listed))
    for row, column in np.ndindex(rows, columns):
        y, x = min(row * height // rows, height - tall), min(column * width // columns, width - wide)
        own = codes[:, row, column]
        at = order[np.searchsorted(listed, own, sorter=order).clip(0, len(listed) - 1)]
        known = listed[at] == own
        np.add.at(sums, at[known], np.nan_to_num(decoded[known, y : y + tall, x : x + wide]).clip(0, 1))
        np.add.at(counts, at[known], 1)
    return sums / np.maximum(counts, 1)[:, None, None, None], counts


def _draws(run: Run) -> list[list[int]] | None:
    """Return codes [n][T] drawn from a learned prior, of its classes in turn; None: the page draws from a uniform one."""
    if PAIR not in run.model.traits:
        return None
    count = max(1, min(NUM_DRAWS, MOST_CODES // math.prod(run.model.grid)))
    classes = np.arange(count, dtype=np.int32) % max(1, len(run.class_names))

    @jax.jit
    def draw(params: Any, labels: Any) -> Any:
        model = given(run.model, labels)
        assert model.codes is not None
        return model.codes(params, require_prior(model).sample(params, jax.random.key(run.config.seed), count))

    return np.asarray(draw(run.params, classes)).tolist()
