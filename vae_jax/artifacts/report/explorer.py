"""The data of the page's explorer: the network, encoded test images, planes to show them on, ranges of sliders."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.report.colourings import colourings
from vae_jax.artifacts.report.embedded_model import embed, fold_labels, packed
from vae_jax.artifacts.report.film import film
from vae_jax.artifacts.report.page import hexadecimal
from vae_jax.artifacts.report.planes import dimensions, planes
from vae_jax.artifacts.report.shown import Shown, encoded
from vae_jax.artifacts.report.sprites import framing, sheet
from vae_jax.models.networks import Layers
from vae_jax.runs.run import Run
from vae_jax.types import Dataset

MOST_NUMBERS = 6_000_000
"""The most weights in a page: 12 MB as float16, 16 MB as text."""
NUM_DRAWS = 500
"""The draws from a learned prior that a page holds."""
SLIDER_REACH = 4.0
"""The least standard deviations of the prior that a slider covers."""
SHADE = 1 / 255
"""The least difference between pixels that a screen shows."""


def too_large(layers: Layers) -> str:
    """Return the reason why the network is left out of the page; empty if it fits."""
    count = sum(array.size for part in layers for layer in part for array in layer.arrays.values())
    if count <= MOST_NUMBERS:
        return ""
    return f"The network has {count:,} weights, more than the {MOST_NUMBERS:,} that a page can carry, so nothing is decoded here."


def content(run: Run, dataset: Dataset, workdir: Path | None = None) -> dict[str, Any]:
    """Return everything that the explorer draws, as JSON; only `reason` if the page cannot run the network.

    Returns:
        network: see `embed`. classes: the names of those that a conditional model is given, else []. points: see `_points`.
        colourings: see `colourings`. planes: see `planes`. film: see `film`; null without a workdir.
        tiles: the decoded plane's tiles along a side. dimensions: {index, kl, active} on the whole test split, largest KL
        first. kl_parts: see `_kl_parts`. reach: the range of a slider. finite: false if a decoded image has a pixel that is
        no number. alike: true if all codes are decoded to the same image.
    """
    # Here, not above: matplotlib is a large part of the start-up time.
    from vae_jax.artifacts import figures

    layers, reason = _layers(run)
    if layers is None:
        return {"reason": reason}
    shown = encoded(run, dataset)
    if not np.isfinite(shown.means).all():
        return {"reason": "The codes of the test images are not finite numbers, so nothing is decoded here."}
    codes, means, labels = shown.codes, shown.means, run.labels_of(dataset, "test")
    with_prior, by_kl = run.model.prior is not None, "columns" in run.model.traits
    # On a sphere 0 is no point, and no number of one is above 1.
    around_zero = with_prior and layers.decoder[0].kind != "unit"
    kl = _mean_kl(run, dataset)
    order = geometry.by_kl(means, kl if by_kl else None)
    classes = shown.split.labels if dataset.class_names else None
    drawn = planes(
        codes, order, "KL" if by_kl else "variance", geometry.by_kl(means, None), classes, _noise(run, shown)
    )
    return {
        "reason": "",
        "network": embed(layers, None, _draws(run, layers), with_prior),
        "classes": list(run.class_names),
        "points": _points(shown, dataset.class_names),
        "colourings": colourings(run, codes, shown.given, shown.errors, bool(dataset.class_names)),
        "planes": drawn,
        "film": None if workdir is None else film(workdir, dataset, drawn[0], run.step),
        "step": run.step,
        "tiles": figures.plane_tiles(run.shape[1]),
        "dimensions": dimensions(means, kl if by_kl else None, order, labels),
        "kl_parts": _kl_parts(run, kl),
        "reach": max(SLIDER_REACH if around_zero else 0.0, _rounded_up(float(np.abs(codes).max(initial=0.0)))),
        "start": [0.0] * codes.shape[1] if around_zero else codes.mean(axis=0, dtype=np.float64).tolist(),
        "framing": framing(shown.split.images),
        "finite": bool(np.isfinite(shown.decoded).all()),
        "alike": bool((np.ptp(shown.decoded, axis=0) < SHADE).all()),
    }


def _layers(run: Run) -> tuple[Layers | None, str]:
    """Return the network's layers and "", or None and the reason why the page cannot run it."""
    if run.model.layers is None or run.model.place is None:
        kind = "likelihood=pixelcnn" if run.draws_pixels else f"model={run.config.model}"
        return None, f"The page cannot run a {kind}, so nothing is decoded here."
    layers = run.model.layers(run.params)
    reason = too_large(fold_labels(layers))
    return (None, reason) if reason else (layers, "")


def _noise(run: Run, shown: Shown) -> Float[np.ndarray, " Z"] | float:
    """Return the mean variance of the posterior around the codes in each dimension; 0 for an autoencoder."""
    if run.model.rate is None:
        return 0.0
    drawn = run.sample_posterior(shown.split.images, run.config.seed, shown.given)
    return np.square(drawn - shown.codes, dtype=np.float64).mean(axis=0)


def _points(shown: Shown, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the codes of random test images, the errors of their reconstructions, labels, indices and thumbnails."""
    from vae_jax.artifacts import figures

    return {
        "codes": packed(shown.codes),
        "errors": packed(shown.errors),
        "rows": shown.rows.tolist(),
        "labels": shown.split.labels.tolist() if class_names else [],
        "classNames": list(class_names),
        "colours": [hexadecimal(colour) for colour in figures.class_colours(len(class_names))],
        "sheet": sheet(shown.split.images),
    }


def _mean_kl(run: Run, dataset: Dataset) -> Float[np.ndarray, " K"] | None:
    """Return the mean terms of the KL on the test split; None without a rate, or if there is a single term."""
    rate = run.model.rate
    if rate is None or ("columns" not in run.model.traits and len(rate.kl_names()) < 2):
        return None
    return run.kl_terms(dataset.test.images, run.labels_of(dataset, "test")).mean(axis=0, dtype=np.float64)


def _kl_parts(run: Run, kl: Float[np.ndarray, " K"] | None) -> list[dict[str, Any]] | None:
    """Return {name, nats} of every term of the KL; None if the terms are those of the latent dimensions."""
    if run.model.rate is None or kl is None or ("columns" in run.model.traits and len(kl) == run.latents_size):
        return None
    names = run.model.rate.kl_names()
    return [{"name": name, "nats": nats} for name, nats in zip(names, kl.tolist(), strict=True)]


def _draws(run: Run, layers: Layers) -> Float[np.ndarray, "N Z"] | None:
    """Return draws from a learned prior; None if the page draws by itself, from N(0, I) or through `layers.prior`."""
    by_itself = run.standard_prior or layers.prior or run.model.prior is None
    return None if by_itself else run.sample_prior(NUM_DRAWS, run.config.seed)


def _rounded_up(value: float) -> float:
    """Round up to two digits, so that a slider's end can be read; 1 for nothing."""
    if not value or not math.isfinite(value):
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit
