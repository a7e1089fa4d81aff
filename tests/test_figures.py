"""Every figure of the registry on small arrays: something is on it, it says what, and no shape or NaN breaks it."""

import inspect
import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from vae_jax.figures import FIGURES, fig_curves, fig_latent_scatter, fig_reconstructions, fig_samples, png_bytes, rgb

RNG = np.random.default_rng(0)
EPOCHS = np.arange(1.0, 31.0)


FALLING = 100 + 400 * np.exp(-EPOCHS)


def history(values: np.ndarray = FALLING, names: tuple[str, ...] = ("loss", "reconstruction", "kl")):
    return {f"{split}/{name}": (EPOCHS[: len(values)], values) for split in ("train", "val") for name in names}


def images(n: int, height: int = 8, width: int = 8, channels: int = 1) -> np.ndarray:
    return RNG.random((n, height, width, channels), np.float32)


ARRAYS = {
    "history": history(),
    "originals": images(5),
    "reconstructions": images(5),
    "corrupted": 3 * images(5) - 1,
    "samples": images(64),
    "points": RNG.normal(size=(300, 2)).astype(np.float32),
    "axis_names": ("z1", "z2"),
    "labels": RNG.integers(0, 10, 300).astype(np.int32),
    "class_names": tuple("0123456789"),
}


def titles(figure) -> list[str]:
    return [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_shows_something_and_says_what(name):
    figure = FIGURES[name](**{key: ARRAYS[key] for key in inspect.signature(FIGURES[name]).parameters})
    pixels = rgb(figure)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert pixels.shape[1] <= 1210
    assert pixels.std() > 5
    assert any(titles(figure))
    for axes in figure.axes:
        assert not axes.axison or (axes.get_xlabel() and axes.get_ylabel())


@pytest.mark.parametrize("name", FIGURES)
def test_png_bytes_are_the_same_twice_and_no_larger_than_a_readme_bears(name):
    arguments = {key: ARRAYS[key] for key in inspect.signature(FIGURES[name]).parameters}
    first, second = (png_bytes(FIGURES[name](**arguments)) for _ in range(2))
    assert first == second
    assert len(first) < 150_000
    assert Image.open(io.BytesIO(first)).format == "PNG"


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(8, 8, 1), (33, 20, 3), (5, 40, 2), (1, 1, 1), (300, 700, 3)]
)
def test_tiles_of_any_shape(height, width, channels):
    for figure in (
        fig_samples(images(7, height, width, channels)),
        fig_reconstructions(images(3, height, width, channels), images(3, height, width, channels)),
    ):
        assert rgb(figure).std() > 1


def test_a_pixel_of_an_image_is_a_whole_square_in_its_own_grey():
    pixels = rgb(fig_samples(np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)[None, ..., None]))
    for grey in (0, 63, 127):
        found = np.argwhere((abs(pixels[70:].astype(int) - grey) <= 1).all(-1))  # below the title
        high, wide = 1 + found.max(0) - found.min(0)
        assert high == wide
        assert high * wide == len(found)


def test_colour_is_shown_in_colour_and_more_than_a_row_is_wrapped():
    red = np.zeros((15, 8, 8, 3), np.float32)
    red[..., 0] = 1
    figure = fig_reconstructions(red, red)
    pixels = rgb(figure)
    assert (pixels == (255, 0, 0)).all(-1).mean() > 0.3
    assert [text.get_text() for text in figure.texts].count("original") == 2
    figure = fig_reconstructions(red, red, red)
    assert [text.get_text() for text in figure.texts][1:] == 2 * ["original", "noisy input", "reconstruction"]


def test_curves_of_an_autoencoder_have_no_kl():
    panels = [axes.get_title() for axes in fig_curves(history(names=("loss", "mse"))).axes]
    assert panels == ["loss", "mse"]


def test_a_single_epoch_is_a_visible_point():
    blank, figure = fig_curves(history(np.array([np.nan]))), fig_curves(history(np.array([100.0])))
    assert figure.axes[0].lines[0].get_marker() == "o"
    assert (rgb(figure) != rgb(blank)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_left_out(bad):
    values = np.linspace(200, 100, 30)
    values[[3, 29]] = bad
    figure = fig_curves(history(values))
    assert np.shape(figure.axes[0].lines[0].get_xydata())[0] == 28
    assert rgb(figure).std() > 5
    assert rgb(fig_curves(history(np.full(30, bad)))).std() > 5
    assert rgb(fig_curves({})).std() > 5


def test_a_huge_first_epoch_runs_off_the_axis_and_a_note_says_so():
    values = np.concatenate([[1e6], np.linspace(110, 100, 29)])
    axes = fig_curves(history(values)).axes[0]
    assert axes.get_ylim()[1] < 200
    legend = axes.get_legend()
    assert legend is not None
    assert "1e+06" in legend.get_title().get_text()


@pytest.mark.parametrize("classes", [1, 10, 11, 26, 100])
def test_classes_are_named_at_their_medians_without_overlap(classes):
    names = tuple(f"class {k}" for k in range(classes))
    labels = np.arange(500, dtype=np.int32) % classes
    figure = fig_latent_scatter(RNG.normal(size=(500, 2)).astype(np.float32), ("z1", "z2"), labels, names)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == (classes if classes <= 30 else 0)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_scatter_of_odd_input():
    points = np.zeros((20, 2), np.float32)
    points[3] = np.nan
    labels = np.zeros(20, np.int32)
    for names in ((), ("only",)):
        assert rgb(fig_latent_scatter(points, ("z1", "z2"), labels, names)).std() > 5
    assert rgb(fig_latent_scatter(points[:0], ("z1", "z2"), labels[:0], ("a", "b"))).std() > 5


def test_no_pyplot_no_jax():
    code = "import sys, vae_jax.figures; sys.exit(bool({'matplotlib.pyplot', 'jax'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
