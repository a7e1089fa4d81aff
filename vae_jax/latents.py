"""What figures are drawn from: arrays computed from a trained model and its test split, each once and only when asked."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.types import Split

NUM_RECONSTRUCTIONS = 12
NUM_SAMPLES = 64


class Source(NamedTuple):
    """A trained model's functions, on the host, and the data that they are shown on."""

    encode: Callable[..., Any]
    """(images u8[N,H,W,C]) -> posterior with `mean` [N,Z]."""
    reconstruct: Callable[..., Float[np.ndarray, "N H W C"]]
    """(images, u8[N,H,W,C] or corrupted) -> pixel means in [0, 1]."""
    sample: Callable[..., Float[np.ndarray, "N H W C"]] | None
    """(n, seed) -> pixel means of n draws from the prior; None without a prior."""
    test: Split
    class_names: tuple[str, ...]
    history: dict[str, tuple[np.ndarray, np.ndarray]]
    """Metric -> (epochs, values)."""
    seed: int
    corrupt: Callable[..., Float[np.ndarray, "N H W C"]] | None = None
    """(images u8[N,H,W,C], seed) -> what the model encodes in their place; None where it is the images themselves."""


def project(latents: Float[np.ndarray, "N Z"]) -> tuple[Float[np.ndarray, "N 2"], tuple[str, str]]:
    """Two coordinates to look at and their names: the latents themselves if Z = 2, else two principal components.

    One latent dimension is drawn against zero. Components carry their share of the total variance in their name, and their
    sign makes the largest weight positive, so that the picture does not flip between machines.
    """
    if latents.shape[1] == 1:
        return np.concatenate([latents, np.zeros_like(latents)], axis=1), ("z1", "")
    if latents.shape[1] == 2:
        return latents, ("z1", "z2")
    centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(axis=1)[:, None], axis=1))
    share = singular[:2] ** 2 / max(float((singular**2).sum()), np.finfo(np.float64).tiny)
    names = [f"principal component {i + 1} ({share[i]:.0%} of variance)" for i in range(2)]
    return (centred @ axes.T).astype(np.float32), (names[0], names[1])


def random_rows(source: Source) -> np.ndarray:
    """Indices of a few random test images, by seed."""
    count = min(NUM_RECONSTRUCTIONS, len(source.test.images))
    return np.random.default_rng(source.seed).choice(len(source.test.images), count, replace=False)


Lookup = Callable[[str], Any]
ARRAYS: dict[str, Callable[[Source, Lookup], Any]] = {
    "history": lambda source, _: source.history or None,
    "originals": lambda source, _: source.test.images[random_rows(source)] / np.float32(255),
    "corrupted": lambda source, _: (
        source.corrupt and source.corrupt(source.test.images[random_rows(source)], source.seed)
    ),
    "reconstructions": lambda source, array: source.reconstruct(
        array("corrupted") if source.corrupt else source.test.images[random_rows(source)]
    ),
    "samples": lambda source, _: source.sample and source.sample(NUM_SAMPLES, source.seed),
    "latents": lambda source, _: np.asarray(source.encode(source.test.images).mean),
    "projection": lambda _, array: project(array("latents")),
    "points": lambda _, array: array("projection")[0],
    "axis_names": lambda _, array: array("projection")[1],
    "labels": lambda source, _: source.test.labels,
    "class_names": lambda source, _: source.class_names,
}
"""Name -> (source, lookup of the other arrays) -> array; None where the run has no such thing."""


def draw(source: Source, figures: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    """The figures that fit: those whose parameters without a default, names of ARRAYS, all exist for this source."""

    @cache
    def array(name: str) -> Any:
        return ARRAYS[name](source, array)

    drawn = {}
    for name, figure in figures.items():
        parameters = inspect.signature(figure).parameters
        arrays = {parameter: array(parameter) for parameter in parameters}
        if all(arrays[p] is not None for p in parameters if parameters[p].default is inspect.Parameter.empty):
            drawn[name] = figure(**arrays)
    return drawn
