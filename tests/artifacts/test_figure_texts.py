"""The texts of every registered figure, measured: within the page and apart, for all sizes of images and latent spaces."""

import io
from itertools import product
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from vae_jax.artifacts import arrays
from vae_jax.artifacts.arrays import tsne
from vae_jax.artifacts.draw import draw_figures
from vae_jax.artifacts.figures import FIGURES, animation
from vae_jax.types import Split

SIZES, LATENTS = (8, 17, 28, 32, 48, 64, 72, 100, 128), ((2, 2), (2, 0), (20, 12), (200, 2))
DIGITS = tuple("0123456789")
PHRASES = ("automobiles seen from behind", "airplanes", *(f"photographs of class {k}" for k in range(8)))
NAMES = {"digits": DIGITS, "phrases": PHRASES, "many": tuple(f"class {k}" for k in range(100)), "none": ()}
SMALLEST = 8
"""The points of the smallest letters that are legible where a figure is 800 pixels wide."""
QUICK = [
    ((8, 8), 1, 2, 2, "digits"),
    ((72, 72), 3, 200, 12, "many"),
]
"""(height, width), channels, latent dimensions, active ones, class names; LATENTS: latent dimensions, active ones."""
ALL = [
    ((28, 28), 1, 20, 4, "none"),
    ((128, 128), 3, 2, 0, "phrases"),
    *(((size, size), 1, *latents, "phrases") for size, latents in product(SIZES, LATENTS)),
    *(((size, size), 3, 2, 2, "digits") for size in SIZES),
    *(((8, 8), 1, latent_dim, latent_dim, names) for latent_dim, names in product((1, 2, 20, 200), NAMES)),
    *(((8, 8), 1, 200, active, "digits") for active in (6, 7, 20, 21, 30, 31, 150)),
    *((shape, 1, 20, 3, "phrases") for shape in ((20, 60), (60, 20), (4, 4), (1, 1))),
]


def make_source(shape: tuple[int, int], channels: int, latent_dim: int, active: int, names: str) -> arrays.Source:
    """Return a run's functions without a run; the last dimensions are inactive."""
    rng = np.random.default_rng(0)
    scale = (np.arange(latent_dim) < active).astype(np.float32)
    labels = (np.arange(120) % max(len(NAMES[names]), 1)).astype(np.int32)
    images = np.zeros((len(labels), *shape, channels), np.uint8)
    means: Any = rng.normal(size=(len(labels), latent_dim)).astype(np.float32) * scale
    epochs = np.arange(30.0)
    names_of_curves = [f"{split}/{name}" for split in ("train", "val") for name in ("loss", "reconstruction", "kl")]

    def decode(z):
        return np.broadcast_to(np.float32(0.5), (len(z), *shape, channels))

    return arrays.Source(
        latents=lambda x: means,
        decode=decode,
        reconstruct=decode,
        test=Split(images, labels),
        class_names=NAMES[names],
        history=dict.fromkeys(names_of_curves, (epochs, 12_345 * np.exp(-epochs))),
        seed=0,
        sample=lambda n, seed, temperature=1.0: decode(range(n)),
        sample_prior=lambda n, seed, temperature: np.full((n, 1), temperature, np.float32),
        train=Split(images, labels),
        component=lambda latents: np.arange(len(latents)) % 40,
        num_components=500,
        pixel_sigma=lambda x: np.full(x.shape, 0.1, np.float32),
        steps_per_epoch=1000.0,
        standard_prior=True,
        sample_posterior=lambda x, seed: means + rng.normal(size=means.shape).astype(np.float32) * (1 - scale),
        kl_terms=lambda x: np.tile(scale + 0.001, (len(x), 1)),
        kl_names=tuple(f"z{k + 1}" for k in range(latent_dim)),
        kl_of_dimensions=True,
        film=lambda: ([0, 100_000], np.stack([means, means]), np.arange(len(labels))),
    )


def wrong_texts(figure: Figure) -> list[str]:
    """Return what is wrong with the texts of a figure: they leave the page, or cover each other."""
    figure.draw_without_rendering()
    hidden = undrawn_labels(figure)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and id(text) not in hidden]
    small = [text.get_text() for text in texts if text.get_text().strip() and float(text.get_fontsize()) < SMALLEST]
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in texts if text.get_text().strip()]
    page = figure.bbox.padded(0.5)
    wrong = [f"{name!r} leaves the page" for name, box in boxes if not all(page.contains(*at) for at in box.corners())]
    pairs = [(one, other) for i, one in enumerate(boxes) for other in boxes[:i]]
    return (
        wrong
        + [f"{name!r} is smaller than {SMALLEST} pt" for name in small]
        + [f"{one[0]!r} covers {other[0]!r}" for one, other in pairs if one[1].overlaps(other[1])]
    )


def undrawn_labels(figure: Figure) -> set[int]:
    """Return the ids of the labels of ticks beyond the limits of their axis, which exist but are not drawn."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            beyond = [tick for tick in axis.get_major_ticks() if not (axes.axison and low <= tick.get_loc() <= high)]
            hidden.update(id(label) for tick in beyond for label in (tick.label1, tick.label2))
    return hidden


def pages(source: arrays.Source, monkeypatch) -> dict[str, list[Figure]]:
    """Draw every figure, the animation's last frame too."""
    monkeypatch.setattr(tsne, "embed", lambda latents, seed, progress: latents[:, [0, -1]])
    found: dict[str, list[Figure]] = {}

    def frame(figure):
        found["animation"] = [figure]
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(animation, "rgb", frame)
    for drawn in draw_figures(source, FIGURES):
        assert drawn.error is None, drawn.error
        if isinstance(drawn.figure, bytes):
            assert Image.open(io.BytesIO(drawn.figure)).format == "GIF"
        elif drawn.figure is not None:
            found[drawn.name] = drawn.figure if isinstance(drawn.figure, list) else [drawn.figure]
    return found


def all_wrong_texts(case, monkeypatch) -> dict[str, list[str]]:
    found = pages(make_source(*case), monkeypatch)
    lacking = {"manifold", "plane"} if case[2] != 2 else set()  # two dimensions
    lacking |= {"neighbour_classes"} if len(NAMES[case[4]]) < 2 else set()
    assert set(found) == set(FIGURES) - lacking
    texts = {name: [wrong for figure in figures for wrong in wrong_texts(figure)] for name, figures in found.items()}
    return {name: wrong for name, wrong in texts.items() if wrong}


@pytest.mark.parametrize("case", [QUICK[0], pytest.param(QUICK[1], marks=pytest.mark.slow)], ids=str)
def test_every_text_is_within_the_page_and_covers_no_other(case, monkeypatch):
    assert all_wrong_texts(case, monkeypatch) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=str)
def test_every_text_of_every_size_is_within_the_page_and_covers_no_other(case, monkeypatch):
    assert all_wrong_texts(case, monkeypatch) == {}
