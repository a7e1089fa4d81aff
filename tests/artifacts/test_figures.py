"""Every registered figure on small arrays: it is not blank, has a title, and accepts all shapes and NaN."""

import functools
import inspect
import io
import os
import subprocess
import sys
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from support.slow import fast_if, first_fast

from vae_jax.artifacts.figures import (
    FIGURES,
    QUICK,
    as_files,
    component_groups,
    fig_components,
    fig_curves,
    fig_latent_scatter,
    fig_rate_distortion,
    fig_reconstructions,
    fig_samples,
    fig_sweep,
    fig_sweep_images,
    rgb,
    shown_names,
)
from vae_jax.artifacts.figures import text as text_module
from vae_jax.artifacts.figures.animation import gif_animation
from vae_jax.artifacts.figures.colours import class_colours
from vae_jax.artifacts.figures.decoded import fig_manifold
from vae_jax.artifacts.figures.latent_dimensions import fig_kl_per_dimension
from vae_jax.artifacts.figures.text import inactive_note
from vae_jax.artifacts.figures.tsne import fig_tsne

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
    "components": RNG.integers(0, 40, 300),
    "num_components": 100,
    "manifold_even": images(400),
    "manifold_quantile": images(400),
    "manifold_reach": 2.5,
    "traversal": images(33).reshape(3, 11, 8, 8, 1),
    "traversal_dimensions": [2, 3, 0],
    "traversal_coordinates": np.linspace(-3, 3, 11),
    "active": np.array([True, False, True, True]),
    "kl_per_dimension": np.array([0.5, 0.01, 2.0, 1.0]),
    "kl_names": ("z1", "z2", "z3", "z4"),
    "kl_order": [2, 3, 0, 1],
    "shown_dimensions": [2, 3, 0],
    "walk_straight": images(10),
    "walk_spherical": images(10),
    "walk_names": ("the mean of 3", "the mean of 7"),
    "normal_quantiles": np.linspace(-2, 2, 50),
    "sample_quantiles": np.linspace(-2, 2, 50)[:, None] * np.linspace(0.5, 1.5, 4),
    "qq_band": np.array([[-0.5], [0.5]]) + np.linspace(-2, 2, 50),
    "ks_distances": RNG.random(4),
    "ks_bound": 0.3,
    "tsne_points": RNG.normal(size=(300, 2)).astype(np.float32),
    "tsne_labels": RNG.integers(0, 10, 300).astype(np.int32),
    "tsne_images": images(300),
    "sample_classes": (),
    "manifold_classes": (),
    "traversal_class": (),
    "film_steps": [0, 50, 100],
    "film_points": RNG.normal(size=(3, 300, 2)).astype(np.float32),
    "film_labels": RNG.integers(0, 10, 300).astype(np.int32),
    "film_axis_names": ("z1", "z2"),
    "errors": RNG.random(100) ** 2,
    "error_values": np.array([[0.0, 0.01], [0.25, 0.25], [0.9, 1]]),
    "error_originals": images(6).reshape(3, 2, 8, 8, 1),
    "error_reconstructions": images(6).reshape(3, 2, 8, 8, 1),
    "error_inputs": None,
    "temperature_samples": images(8).reshape(2, 4, 8, 8, 1),
    "temperatures": (0.5, 1.0),
    "temperature_classes": (),
    "neighbour_samples": images(6),
    "neighbour_images": images(6),
    "neighbour_distances": RNG.random(6),
    "neighbour_share": (0.52, 0.03, 1000, "validation"),
    "neighbour_matrix": RNG.dirichlet(np.ones(3), 3),
    "neighbour_count": 10,
    "neighbour_names": ("0", "1", "2"),
    "plane_tiles": images(169),
    "plane_ends": np.array([[-2.0, -3], [3, 2]]),
    "plane_classes": (),
    "variations": images(33).reshape(3, 11, 8, 8, 1),
    "variation_original": images(2),
    "variation_coordinates": np.tile(np.linspace(-3, 3, 11), (3, 1)),
    "variation_own": np.array([0.1, -2, 4]),
    "variation_name": "test image 3 (7)",
    "corners": images(16),
    "corner_originals": images(4),
    "corner_names": ("0", "1", "2", "3"),
    "corner_given": False,
    "activity_epochs": np.arange(4.0),
    "activity_values": RNG.random((4, 4)) + 0.02,
    "activity_bound": 0.01,
    "sigma_map": RNG.random((8, 8)),
    "error_map": RNG.random((8, 8)),
    "draws_pixels": False,
}
STILL = [name for name in FIGURES if name != "animation"]


def drawn(name: str) -> list[Figure]:
    """Return the pages of a figure in the registry."""
    pages = FIGURES[name](**{key: ARRAYS[key] for key in inspect.signature(FIGURES[name]).parameters})
    assert not isinstance(pages, bytes)
    return pages if isinstance(pages, list) else [pages]


@functools.cache
def stored(name: str) -> dict[str, bytes]:
    """Return the files of a figure, as they are drawn first in this process."""
    return as_files(name, drawn(name))


def titles(figure) -> list[str]:
    return [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]


@pytest.mark.parametrize("name", STILL)
def test_every_figure_is_not_blank_and_has_titles_and_axis_labels(name):
    for figure in drawn(name):
        pixels = rgb(figure)
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
        assert pixels.shape[1] <= 1210
        assert pixels.std() > 5
        assert any(titles(figure))
        shared = figure.get_supxlabel() and figure.get_supylabel()
        for axes in figure.axes:
            bar = axes.get_label() == "<colorbar>"
            assert not axes.axison or shared or bar or (axes.get_xlabel() and axes.get_ylabel())


@pytest.mark.parametrize("name", fast_if(STILL, lambda name: name in ("errors", "latent_scatter", "curves")))
def test_png_bytes_are_reproducible_and_small_enough_for_a_readme(name):
    first = stored(name)
    assert first == as_files(name, drawn(name))
    for content in first.values():
        assert len(content) < 150_000
        assert Image.open(io.BytesIO(content)).format == "PNG"


HOSTILE: Any = {
    "image.origin": "lower", "image.cmap": "jet", "image.interpolation": "bicubic", "text.usetex": True,
    "figure.dpi": 37, "figure.facecolor": "red", "savefig.bbox": "tight", "savefig.facecolor": "green",
    "savefig.dpi": 31, "axes.prop_cycle": "cycler('color', ['k'])", "axes.xmargin": 0.4, "axes.grid": True,
    "font.size": 30, "font.family": "serif", "lines.linewidth": 9, "hatch.color": "red", "figure.autolayout": True,
    "text.hinting": "none", "agg.path.chunksize": 9,  # read while a figure is rendered
}  # fmt: skip


@pytest.mark.slow
def test_a_persons_matplotlib_settings_change_no_figure_and_are_kept():
    def files(one):
        line = (["2", "20"], np.array([3.0, 1.0]), np.array([0.1, np.nan]))
        sweep = [
            fig_sweep("latent_dim", {"elbo": {"": line}}, "Test images"),
            fig_rate_distortion({"": BETAS}, "Rates"),
        ]
        sweep.append(fig_sweep_images(ARRAYS["originals"], [("z=3", ARRAYS["originals"], None)]))
        alike = {"temperatures", "neighbours", "variations", "corners", "components"}  # drawn as others are
        return {name: one(name) for name in STILL if name not in alike} | as_files("sweep", sweep)

    expected = files(stored)
    with matplotlib.rc_context(HOSTILE):
        before = dict(matplotlib.rcParams)
        assert files(lambda name: as_files(name, drawn(name))) == expected
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "text", first_fast([b"no.such.key: 3\nfigure.dpi: many\ntext.hinting_factor: 4\n", b"font.size: 3\n\xff\xfe"])
)
def test_a_broken_matplotlibrc_prints_nothing(tmp_path, text):
    (tmp_path / "matplotlibrc").write_bytes(text)
    code = "from vae_jax.artifacts import figures; import numpy; figures.png_bytes(figures.fig_samples(numpy.ones((4, 2, 2, 1))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MATPLOTLIBRC": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_tiles_of_the_plane_are_parted_by_a_dark_line_of_one_pixel_of_an_image():
    figure = fig_manifold(np.ones((169, 8, 8, 1)), np.ones((169, 8, 8, 1)), 2)
    assert isinstance(figure, Figure)
    pixels = rgb(figure)
    row = pixels[len(pixels) // 2, :, 0]
    row = row if (row < 60).mean() < 0.5 else pixels[len(pixels) // 2 + 6, :, 0]
    dark = np.flatnonzero(row < 60)
    assert len(dark) == 2 * 12 * 4  # 8 x 8 images, four screen pixels to each of theirs
    assert np.bincount(np.diff(dark))[1:].nonzero()[0][:2].tolist() == [0, 32]


def test_pages_and_animations_get_distinct_file_names():
    active, order = np.ones(41, bool), list(range(40, 0, -1))
    pages = FIGURES["qq"](np.zeros(5), np.zeros((5, 41)), np.zeros((2, 5)), np.linspace(0, 1, 41), 0.5, order, active)
    assert isinstance(pages, list)
    assert [len(page.axes) for page in pages] == [36, 4]
    names = [axes.get_title() for page in pages for axes in page.axes]
    assert [names[0], names[-1]] == ["z41  KS 1.000", "z2  KS 0.025"]
    assert [axes.title.get_fontweight() == "bold" for axes in pages[0].axes].index(False) == 20  # at the bound
    assert list(as_files("curves", drawn("curves") * 2)) == ["curves_1.png", "curves_2.png"]
    assert list(as_files("curves", drawn("curves"))) == ["curves.png"]
    assert list(as_files("animation", b"GIF")) == ["animation.gif"]


def test_slow_figures_are_drawn_on_request_only():
    assert {
        *("curves", "reconstructions", "errors", "samples", "latent_scatter", "manifold", "traversal"),
        *("kl_per_dimension", "animation"),
    } == QUICK


@pytest.mark.slow
def test_the_animation_moves_on_fixed_axes_at_15_frames_a_second():
    arguments = {key: ARRAYS[key] for key in inspect.signature(gif_animation).parameters}
    steps = list(range(0, 310, 10))
    still = np.concatenate([np.zeros((30, 300, 2), np.float32), ARRAYS["film_points"][:1]])
    gif = Image.open(io.BytesIO(gif_animation(**arguments | {"film_steps": steps, "film_points": still})))
    frames, milliseconds = [], []
    for i in range(gif.n_frames):  # pyright: ignore[reportAttributeAccessIssue]
        gif.seek(i)
        frames.append(np.asarray(gif.convert("RGB")))
        milliseconds.append(gif.info["duration"])
    assert len(frames) == 31  # the step in the title makes even equal frames differ
    assert sum(milliseconds[:30]) == 2000
    assert (frames[0][:, :, :] == 255).all(-1).mean() > 0.5
    changed = np.argwhere((frames[0] != frames[1]).any(-1))
    assert changed[:, 0].max() < 40  # only the title
    axis = [frame[-45:, 60:400] for frame in (frames[0], frames[-1])]
    np.testing.assert_array_equal(axis[0], axis[1])


def test_thumbnails_do_not_overlap_and_are_within_the_axes():
    (figure,) = drawn("tsne")
    figure.draw_without_rendering()
    boxes = [artist.get_window_extent() for artist in figure.axes[0].artists]
    assert len(boxes) > 20
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    inside = figure.axes[0].get_window_extent()
    assert all(inside.contains(*corner) for box in boxes for corner in box.corners())


def test_a_thumbnail_is_framed_in_the_colour_of_its_class():
    black = np.zeros((1, 8, 8, 1), np.float32)
    for label in (1, 4):
        figure = fig_tsne(np.array([[0.0, 0.0], [9, 9], [-9, -9]], np.float32)[[0, 1, 2]],
                          np.full(3, label, np.int32), np.repeat(black, 3, 0), tuple("01234"))  # fmt: skip
        artists: Any = figure.axes[0].artists
        (picture, *_) = [artist.offsetbox.get_data() for artist in artists]
        np.testing.assert_allclose(picture[0, 0], class_colours(5)[label][:3])
        assert (picture[4:-4, 4:-4] == 0).all()


def test_a_thumbnail_of_a_tall_image_shows_all_of_it():
    tall = np.zeros((3, 64, 32, 1), np.float32)
    tall[:, 40:] = 1
    points = np.array([[0.0, 0.0], [9, 9], [-9, -9]], np.float32)
    artists: Any = fig_tsne(points, np.zeros(3, np.int32), tall, ("a",)).axes[0].artists
    (picture, *_) = [artist.offsetbox.get_data()[4:-4, 4:-4] for artist in artists]
    assert picture.shape[:2] == (32, 16)
    assert (picture[:20] == 0).all()
    assert (picture[-12:] == 1).all()


def test_names_that_look_like_formulas_are_shown_literally():
    """Matplotlib reads text between dollar signs as a formula, and raises if it is not a valid one."""
    names = tuple(rf"a$\x$ {i} $note$" for i in range(10))
    for name, figure in FIGURES.items():
        given = inspect.signature(figure).parameters
        arrays = ARRAYS | {"class_names": names, "walk_names": (names[0], names[1])}
        if {"class_names", "walk_names"} & given.keys():
            page = figure(**{key: arrays[key] for key in given})
            if isinstance(page, Figure):
                rgb(page)
                assert not any(is_math_text(text.get_text()) for text in page.findobj(Text)), name


def test_points_are_grouped_by_the_largest_components_and_the_title_counts_all_that_are_used():
    components = np.repeat(np.arange(100, 125), np.arange(25, 0, -1))
    groups, named, colours = component_groups(components)
    np.testing.assert_array_equal(named, np.arange(100, 120))
    np.testing.assert_array_equal(groups, np.minimum(components - 100, 20))
    assert len(np.unique(colours, axis=0)) == len(colours) == 21
    points = RNG.normal(size=(len(components), 2))
    points[:25] = np.nan
    figure = fig_components(points, ("z1", "z2"), components, 500)
    (axes,), (legend,) = figure.axes, figure.legends
    assert axes.get_title().splitlines()[1] == "25 of 500 components have test images"
    texts = [text.get_text() for text in legend.get_texts()]
    assert (texts[0], texts[19], texts[20], len(texts)) == ("101 (25)", "120 (6)", "others (15)", 21)
    assert {text.get_text() for text in axes.texts} == {str(number + 1) for number in range(101, 120)}
    groups, named, colours = component_groups(np.array([7, 2, 7]))
    assert (groups.tolist(), named.tolist(), len(colours)) == ([0, 1, 0], [7, 2], 2)


def test_long_names_in_a_sweep_leave_room_for_the_images():
    name = " ".join(f"some_key_of_the_config_{i}=a_long_value_{i}" for i in range(5))
    pictures = images(8, 28, 28)
    figure = fig_sweep_images(pictures, [(name, pictures, pictures), ("short", pictures, None)])
    assert rgb(figure).shape[1] <= 1210
    (axes,) = figure.axes
    assert axes.get_window_extent().width > 450  # whole pixels: 16 images, 28 wide
    figure.draw_without_rendering()
    assert all(text.get_window_extent().x0 >= 0 for text in figure.texts)
    assert not any(
        one.get_window_extent().overlaps(other.get_window_extent())
        for i, one in enumerate(figure.texts)
        for other in figure.texts[:i]
    )


def test_dimensions_of_an_upper_layer_are_marked():
    kl = np.array([0.5, 0.01, 2.0, 1.0, 1e-6])
    names = ("lower z1", "lower z2", "lower z3", "upper z1", "upper z2")
    figure = fig_kl_per_dimension(kl, names, np.array([True, False, True]))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["lower z3", "upper z1", "lower z1", "upper z2"]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["active", "upper layer"]


def bars(active: list[bool]) -> tuple[list[tuple[float, Any]], list[str], str]:
    """Return (height, hatch) of each bar from the left, their names, and the note, for four dimensions."""
    kl = np.array([0.5, 0.01, 2.0, 1.0])
    axes: Any = fig_kl_per_dimension(kl, ("z1", "z2", "z3", "z4"), np.array(active)).axes[0]
    found = sorted((bar.get_x(), bar.get_height(), bar.get_hatch()) for bar in axes.patches)
    return [bar[1:] for bar in found], [label.get_text() for label in axes.get_xticklabels()], axes.get_title()


def test_inactive_dimensions_are_one_line_of_the_kl_chart():
    assert bars([True] * 4) == ([(2, None), (1, None), (0.5, None), (0.01, None)], ["z3", "z4", "z1", "z2"], "")
    heights, names, note = bars([True, False, True, True])
    assert (heights, names) == ([(2, None), (1, None), (0.5, None)], ["z3", "z4", "z1"])
    assert note == "1 of 4 dimensions is inactive: it carries 0.01 nats in all"
    heights, names, note = bars([False] * 4)
    assert (heights, names) == ([(2, "////")], ["z3"])
    assert note.startswith("all 4 dimensions are inactive")


@pytest.mark.parametrize("name", ["traversal", "qq"])
def test_inactive_dimensions_are_one_line_of_a_figure(name):
    (figure,) = drawn(name)
    notes = [text.get_text() for text in figure.texts if "inactive:" in text.get_text()]
    assert notes == ["1 of 4 dimensions is inactive: it carries almost no information"]


@pytest.mark.parametrize("name", ["activity", "curves"])
def test_an_axis_of_epochs_has_whole_numbers_only(name, monkeypatch):
    monkeypatch.setitem(ARRAYS, "history", history(FALLING[:3]))
    (figure,) = drawn(name)
    axes = [axes for axes in figure.axes if axes.get_xlabel() == "epoch"]
    assert axes
    for one in axes:
        low, high = one.get_xlim()
        ticks = one.get_xticks()
        assert sum(low <= tick <= high for tick in ticks) > 1
        np.testing.assert_array_equal(ticks, ticks.round())


def test_active_dimensions_that_are_not_drawn_are_counted():
    assert inactive_note(np.ones(200, bool), 20) == "the first 20 of 200 active dimensions"
    note = inactive_note(np.arange(200) < 127, 20)
    assert note.startswith("the first 20 of 127 active dimensions; 73 of 200 dimensions are inactive: they carry ")


def test_a_sweep_over_numbers_has_a_numeric_axis_and_one_over_names_does_not():
    line = (["200", "2", "20"], np.array([3.0, 1.0, 2.0]), np.array([0.1, np.nan, 0.2]))
    (axes,) = fig_sweep("latent_dim", {"elbo": {"": line}}, "Test images, 2 seeds").axes
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xdata().tolist() == [2, 20, 200]  # pyright: ignore[reportAttributeAccessIssue]
    line = (["relu", "tanh"], np.ones(2), np.ones(2))
    figure = fig_sweep("activation", {"elbo": {"a": line, "b": line}, "kl": {"a": line}}, "Test images")
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["relu", "tanh"]
    assert rgb(figure).std() > 5


BETAS = [("10", 3.5, 147.7), ("0.1", 41.2, 74.1), ("1", 21.5, 80.5), ("5", 7.4, 119.0), ("2", 14.7, 92.3)]


def test_rate_and_distortion_are_drawn_for_every_run_with_lines_of_equal_elbo():
    figure = fig_rate_distortion({"": BETAS}, "Rate and distortion")
    (axes,) = figure.axes
    offsets: Any = axes.collections[0].get_offsets()
    np.testing.assert_allclose(offsets, [point[1:] for point in BETAS])
    joined, *iso = [np.asarray(line.get_xydata()) for line in axes.lines]
    np.testing.assert_allclose(joined[:, 0], sorted((point[1] for point in BETAS), reverse=True))
    assert len(iso) > 2
    for line in iso:
        np.testing.assert_allclose(line.sum(axis=1), line.sum(axis=1)[0])
    named = [text for text in axes.texts if text.get_text().startswith("elbo")]
    for text in named:
        assert sum(text.get_position()) == pytest.approx(-float(text.get_text()[5:].replace("\N{MINUS SIGN}", "-")))
    labels = {text.get_text() for text in axes.texts} - {text.get_text() for text in named}
    assert labels == {f"β = {beta}" for beta, _, _ in BETAS}
    assert axes.get_legend() is None


def test_labels_of_adjacent_runs_do_not_overlap():
    seeds = {f"z={z}": [(beta, r + 0.1 * j + z, d + 0.2 * j) for beta, r, d in BETAS for j in range(3)] for z in (0, 1)}
    figure = fig_rate_distortion(seeds, "3 seeds")
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert sum("β" in text.get_text() for text in figure.axes[0].texts) == 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["z=0", "z=1"]
    for alone in ([("1", 0.0, 0.0)], [("0.5", 3.0, -700.0), ("1", 3.0, -700.0)]):
        assert rgb(fig_rate_distortion({"": alone}, "one place")).std() > 5


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_a_sweep_are_arranged_in_rows(channels):
    rows = [
        ("latent_dim=2", images(6, 8, 8, channels), images(6, 8, 8, channels)),
        ("z=3", images(6, 8, 8, channels), None),
    ]
    for chosen in (rows, rows[1:]):
        figure = fig_sweep_images(images(6, 8, 8, channels), chosen)
        assert [text.get_text() for text in figure.texts][-len(chosen) :] == [name for name, _, _ in chosen]
        assert rgb(figure).shape[1] <= 1210


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(8, 8, 1), (33, 20, 3), (5, 40, 2), (1, 1, 1), (300, 700, 3)]
)
def test_images_of_any_shape_can_be_tiled(height, width, channels):
    for figure in (
        fig_samples(images(7, height, width, channels)),
        fig_reconstructions(images(3, height, width, channels), images(3, height, width, channels)),
    ):
        assert rgb(figure).std() > 1


def test_a_pixel_of_an_image_is_drawn_as_a_square_of_its_grey_level():
    pixels = rgb(fig_samples(np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)[None, ..., None]))
    for grey in (0, 63, 127):
        found = np.argwhere((abs(pixels[70:].astype(int) - grey) <= 1).all(-1))  # below the title
        high, wide = 1 + found.max(0) - found.min(0)
        assert high == wide
        assert high * wide == len(found)


def test_colour_images_are_shown_in_colour_and_long_rows_are_wrapped():
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


def test_a_huge_first_epoch_is_clipped_and_marked_with_a_note():
    values = np.concatenate([[1e6], np.linspace(110, 100, 29)])
    axes = fig_curves(history(values)).axes[0]
    assert axes.get_ylim()[1] < 200
    legend = axes.get_legend()
    assert legend is not None
    assert "1e+06" in legend.get_title().get_text()


@pytest.mark.parametrize("classes", [1, 10, 11, 26, 100])
def test_class_names_are_drawn_at_medians_without_overlap(classes):
    names = tuple(f"class {k}" for k in range(classes))
    labels = np.arange(500, dtype=np.int32) % classes
    figure = fig_latent_scatter(RNG.normal(size=(500, 2)).astype(np.float32), ("z1", "z2"), labels, names)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == (classes if classes <= 30 else 0)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_long_class_names_leave_room_for_the_points_and_cover_none_of_few():
    names = tuple(f"photographs_of_northern_hemisphere_butterflies_resized_and_sorted_{k}" * 2 for k in range(8))
    labels = np.arange(40, dtype=np.int32) % 8
    points = (np.arange(16).reshape(8, 2) % 5 + RNG.normal(size=(5, 8, 2)) / 9).reshape(-1, 2).astype(np.float32)
    figure = fig_latent_scatter(points, ("z1", "z2"), labels, names)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [Text.get_window_extent(name) for name in axes.texts]
    assert axes.get_window_extent().width > 0.8 * figure.bbox.width
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in box.corners())
    assert not any(box.contains(*dot) for box in boxes for dot in axes.transData.transform(points))
    assert [text.get_text()[-1] for text in axes.texts] == list("01234567")
    for page in (fig_tsne(points, labels, images(40), names), FIGURES["walk"](images(9), images(9), names[:2])):
        assert isinstance(page, Figure)
        page.draw_without_rendering()
        assert all(page.bbox.x0 <= text.get_window_extent().x0 for text in page.findobj(Text) if text.get_text())
        assert all(axes.get_window_extent().width > 0.6 * page.bbox.width for axes in page.axes)


def test_characters_that_the_usual_font_lacks_are_drawn_in_another_font_or_names_are_numbers(monkeypatch):
    usual = [
        entry for entry in text_module.fontManager.ttflist if entry.name.startswith(("DejaVu", "STIXGeneral", "Last"))
    ]
    monkeypatch.setattr(text_module.fontManager, "ttflist", usual)
    text_module._family.cache_clear()
    assert shown_names(("a", "\N{COMBINING ENCLOSING CIRCLE}")) == (("a", "\N{COMBINING ENCLOSING CIRCLE}"), "")
    numbers, message = shown_names(("猫", "dog"))
    assert numbers == ("0", "1")
    assert message.endswith("numbers in the figures: 0 = 猫, 1 = dog")
    for name in ("\N{COMBINING ENCLOSING CIRCLE}", "猫"):  # a glyph that is missing would be a warning, thus an error
        assert rgb(fig_latent_scatter(np.zeros((3, 2), np.float32), ("", ""), np.zeros(3, np.int32), (name,))).std() > 1
    text_module._family.cache_clear()


def test_scatter_of_nan_missing_names_and_no_points():
    points = np.zeros((20, 2), np.float32)
    points[3] = np.nan
    labels = np.zeros(20, np.int32)
    for names in ((), ("only",)):
        assert rgb(fig_latent_scatter(points, ("z1", "z2"), labels, names)).std() > 5
    assert rgb(fig_latent_scatter(points[:0], ("z1", "z2"), labels[:0], ("a", "b"))).std() > 5


def test_figures_import_neither_pyplot_nor_jax():
    code = "import sys, vae_jax.artifacts.figures; sys.exit(bool({'matplotlib.pyplot', 'jax'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
