"""The truth of pictures: neighbours by brute force and scikit-learn, corners and rows that are reconstructions, errors."""

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sklearn.neighbors import NearestNeighbors
from support.random_run import random_run

from vae_jax.artifacts import arrays
from vae_jax.artifacts.arrays import geometry, neighbours, reconstruction_errors, sampled
from vae_jax.artifacts.boxes import KEY, read_boxes, read_step
from vae_jax.artifacts.draw import draw_figures, write_figures
from vae_jax.artifacts.draw import make_source as source_of
from vae_jax.artifacts.figures import FIGURES, fig_samples, png_bytes
from vae_jax.artifacts.report import run_page
from vae_jax.types import Dataset, Split

RNG = np.random.default_rng(0)
SHAPE = (4, 4, 1)
MATRIX: Any = RNG.normal(size=(3, 16)).astype(np.float32) / 4


def decode(z, labels=None):
    """Return pixels that determine z; of a conditional model they are darker for each class."""
    pixels = 0.5 + 0.1 * np.tanh(np.asarray(z) @ MATRIX).reshape(-1, *SHAPE)
    return pixels if labels is None else pixels - 0.1 * np.broadcast_to(labels, len(pixels)).reshape(-1, 1, 1, 1)


def latents(x, labels=None):
    return (x.reshape(len(x), -1)[:, :3] / 64).astype(np.float32)


def make_source(size=60, conditional=False, **changes) -> arrays.Source:
    images = RNG.integers(0, 256, (size, *SHAPE), np.uint8)
    labels = np.arange(size, dtype=np.int32) % 5
    source = arrays.Source(
        latents=latents,
        decode=decode,
        reconstruct=lambda x, labels=None: decode(latents(x), labels),
        sample=lambda n, seed, labels=None, temperature=1.0: decode(draws(n, seed, temperature), labels),
        sample_prior=lambda n, seed, temperature: draws(n, seed, temperature),
        test=Split(images, labels),
        train=Split(RNG.integers(0, 256, (80, *SHAPE), np.uint8), np.zeros(80, np.int32)),
        val=Split(RNG.integers(0, 256, (20, *SHAPE), np.uint8), np.zeros(20, np.int32)),
        class_names=tuple("abcde"),
        history={},
        seed=4,
        given=labels if conditional else None,
    )
    return source._replace(**changes)


def draws(n, seed, temperature):
    return (temperature * np.random.default_rng(seed).normal(size=(n, 3))).astype(np.float32)


def found(source: arrays.Source, *names: str) -> list[Any]:
    """Return arrays by name."""
    values: dict[str, Any] = {}

    def array(name):
        if name not in values:
            values[name] = arrays.ARRAYS[name](source, array)
        return values[name]

    return [array(name) for name in names]


@pytest.mark.parametrize("shift", [0, 1000])
def test_nearest_neighbours_are_those_of_scikit_learn_even_far_from_the_origin(shift, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 700)  # many blocks
    points, others = RNG.normal(size=(2, 70, 5)).astype(np.float32) + np.float32(shift)
    for own in (False, True):
        index, distance = neighbours.nearest(points, points if own else others, 7, own)
        learner = NearestNeighbors(n_neighbors=7, algorithm="brute").fit((points if own else others).astype(np.float64))
        expected = learner.kneighbors(None if own else points.astype(np.float64))
        np.testing.assert_array_equal(index, expected[1])
        np.testing.assert_allclose(distance, expected[0], rtol=1e-4)


def test_neighbours_of_duplicates_are_no_image_itself():
    points = np.zeros((6, 2), np.float32)
    index, distance = neighbours.nearest(points, points, 5, own=True)
    assert (distance == 0).all()
    assert all(sorted(row) == [k for k in range(6) if k != i] for i, row in enumerate(index.tolist()))


def test_samples_are_beside_their_nearest_training_images_and_copies_are_exposed(monkeypatch):
    source = make_source()
    assert source.train is not None
    assert source.sample is not None
    samples, images, distances, share = found(
        source, *(f"neighbour_{x}" for x in ("samples", "images", "distances", "share"))
    )
    train = source.train.images / 255
    exact = np.sqrt(np.square(samples[:, None] - train[None]).mean(axis=(2, 3, 4)))
    np.testing.assert_allclose(images, train[exact.argmin(axis=1)], atol=1e-6)
    np.testing.assert_allclose(distances, exact.min(axis=1), rtol=1e-4)
    whole = source.sample(neighbours.NUM_SAMPLED, source.seed)
    nearest = np.sqrt(np.square(whole[:, None] - train[None]).mean(axis=(2, 3, 4))).min(axis=1)
    np.testing.assert_allclose(distances[neighbours.NUM_PAIRS :], np.sort(nearest)[: neighbours.NUM_PAIRS], rtol=1e-4)
    np.testing.assert_array_equal(samples[: neighbours.NUM_PAIRS], whole[: neighbours.NUM_PAIRS])
    assert share[2:] == (20, "validation")
    own = source.train.images[:20]
    few = source._replace(train=Split(own, np.zeros(20, np.int32)))
    copying = few._replace(sample=lambda n, seed: np.resize(own / 255, (n, *SHAPE)))
    assert found(copying, "neighbour_share")[0][0] == 1
    draws = np.random.default_rng(5).integers(0, 256, (2000, *SHAPE), np.uint8)  # all from one source
    halves = [Split(part, np.zeros(len(part), np.int32)) for part in (draws[:300], draws[300:1800])]
    fair = source._replace(
        train=halves[0], val=halves[1], sample=lambda n, seed: np.resize(draws[1800:] / 255, (n, *SHAPE))
    )
    share, error, count, _ = found(fair, "neighbour_share")[
        0
    ]  # the larger half has more images, of which as many are compared
    assert count == 300
    assert abs(share - 0.5) < 3 * error < 0.35
    assert found(source._replace(val=None), "neighbour_share")[0][2:] == (60, "test")
    binary = Split(own // 128 * np.uint8(255), np.zeros(20, np.int32))
    assert found(source._replace(val=binary), "neighbour_share") == [None]
    alike = source._replace(sample=lambda n, seed: np.zeros((n, *SHAPE), np.float32))  # all near one image
    assert found(alike, "neighbour_share")[0][1] == pytest.approx(0.5)


def test_the_matrix_of_neighbours_classes_agrees_with_scikit_learn():
    source = make_source()
    matrix, count, names = found(source, "neighbour_matrix", "neighbour_count", "neighbour_names")
    codes, labels = latents(source.test.images), source.test.labels
    near = labels[NearestNeighbors(n_neighbors=10).fit(codes).kneighbors(return_distance=False)]
    expected = [[(near[labels == i] == k).mean() for k in range(5)] for i in range(5)]
    np.testing.assert_allclose(matrix, expected, atol=1e-9)
    assert (count, names) == (10, tuple("abcde"))
    assert found(source._replace(class_names=()), "neighbour_matrix") == [None]
    alike = source._replace(test=source.test._replace(labels=0 * labels))
    assert found(alike, "neighbour_matrix") == [None]


@pytest.mark.parametrize("conditional", [False, True])
def test_corners_of_the_interpolation_are_the_reconstructions_of_images_of_different_classes(conditional):
    source = make_source(conditional=conditional)
    corners, originals, rows = found(source, "corners", "corner_originals", "corner_rows")
    n = round(len(corners) ** 0.5)
    assert len(set(source.test.labels[rows])) == 4
    np.testing.assert_array_equal(originals, source.test.images[rows] / np.float32(255))
    expected = source.reconstruct(source.test.images[rows], *source.labels_of(rows))
    np.testing.assert_allclose(corners[[0, n - 1, n * n - n, n * n - 1]], expected, atol=1e-6)
    if conditional:  # a quarter has the class of its corner, which makes its pixels darker by 0.1 each
        grey = corners.mean(axis=(1, 2, 3)).reshape(n, n)
        assert np.abs(grey[: n // 2, n // 2 :].mean() - grey[: n // 2, : n // 2].mean() + 0.1) < 0.05
    assert found(make_source(size=3), "corners") == [None]
    z: Any = np.array([[0.0, 0], [2, 0], [0, 4], [2, 4]], np.float32)
    expected = [[x, y] for y in (0, 2, 4) for x in (0, 1, 2)]
    np.testing.assert_allclose(geometry.between_corners(z, 3), expected)


def test_a_dimension_that_takes_the_images_own_coordinate_gives_its_reconstruction():
    source = make_source(size=30)
    row = arrays.example_rows(source, 1)[0]
    code = latents(source.test.images[[row]])[0]
    own = source._replace(latents=lambda x: np.where(np.arange(3) == 1, latents(x) * 0, latents(x)))  # z2 is always 0
    images, original, steps, values, name = found(
        own, "variations", *(f"variation_{x}" for x in ("original", "coordinates", "own", "name"))
    )
    assert name == f"test image {row} (a)"
    chosen = found(own, "traversal_dimensions")[0]
    assert 1 not in chosen  # it is inactive
    np.testing.assert_allclose(values, code[chosen])
    z = np.where(np.arange(3) == 1, 0, code)
    np.testing.assert_allclose(original[1], decode(z[None])[0], atol=1e-6)
    for i, k in enumerate(chosen):
        moved = np.tile(z, (steps.shape[1], 1))
        moved[:, k] = steps[i]
        np.testing.assert_allclose(images[i], decode(moved), atol=1e-6)
    assert steps[0].tolist() == np.linspace(-3, 3, 11).tolist()
    plain = own._replace(sample=None, sample_prior=None)
    np.testing.assert_allclose(
        found(plain, "variation_coordinates")[0][:, [0, -1]],
        np.quantile(latents(source.test.images)[:, found(plain, "traversal_dimensions")[0]], [0.01, 0.99], axis=0).T,
        rtol=1e-5,
    )


@pytest.mark.parametrize("denoiser", [False, True])
def test_worst_and_best_reconstructions_are_those_of_the_largest_and_smallest_error(denoiser, monkeypatch):
    monkeypatch.setattr(reconstruction_errors, "PIECE", 7)
    noise = (lambda x, seed: np.clip(x / 255 + 0.1, 0, 1).astype(np.float32)) if denoiser else None
    source = make_source(corrupt=noise)
    source = source._replace(reconstruct=lambda x: x / 2 if denoiser else (x / 510).astype(np.float32))
    inputs = np.clip(source.test.images / 255 + 0.1, 0, 1) if denoiser else source.test.images / 255
    square = np.square(inputs / 2 - source.test.images / 255)
    expected = square.mean(axis=(1, 2, 3))
    names = (
        "errors",
        "error_rows",
        "error_values",
        "error_originals",
        "error_reconstructions",
        "error_inputs",
        "error_map",
    )
    errors, rows, values, originals, reconstructions, given, whole = found(source, *names)
    np.testing.assert_allclose(errors, expected, rtol=1e-5)
    assert rows[2, -1] == expected.argmax()
    assert rows[0, 0] == expected.argmin()
    middle = np.median(expected)
    assert values[1].min() <= middle <= values[1].max()
    np.testing.assert_array_equal(originals, source.test.images[rows] / np.float32(255))
    np.testing.assert_allclose(reconstructions, inputs[rows] / 2, atol=1 / 255)
    np.testing.assert_allclose(whole, np.sqrt(square.mean(axis=(0, 3))), rtol=1e-5)
    assert (given is not None) == denoiser
    if denoiser:
        np.testing.assert_allclose(given, inputs[rows], atol=1 / 255)


def test_an_error_that_is_no_number_is_the_worst():
    source = make_source(size=9)
    spoilt = source._replace(
        reconstruct=lambda x: np.where((x == source.test.images[4]).all((1, 2, 3), keepdims=True), np.nan, x / 510)
    )
    assert found(spoilt, "error_rows")[0][2, -1] == 4
    (drawn,) = draw_figures(spoilt, {"errors": FIGURES["errors"]})
    assert drawn.error is None


@pytest.mark.parametrize("conditional", [False, True])
def test_rows_of_temperatures_are_the_same_draws_and_a_prior_without_temperature_has_none(conditional):
    source = make_source(conditional=conditional)
    images, labels = found(source, "temperature_samples", "temperature_labels" if conditional else "labels")
    assert source.sample is not None
    for row, temperature in zip(images, sampled.TEMPERATURES, strict=True):
        z = draws(len(row), source.seed, temperature)
        np.testing.assert_allclose(row, decode(z, labels if conditional else None))
    assert not conditional or np.unique(labels, return_counts=True)[1].tolist() == [2] * 5
    same = source._replace(sample_prior=lambda n, seed, temperature: draws(n, seed, 1.0))
    assert found(same, "temperature_samples") == [None]
    (drawn,) = draw_figures(same, {"temperatures": FIGURES["temperatures"]})
    assert "a prior with a temperature" in drawn.lacks


def test_tiles_of_the_plane_are_decoded_where_the_codes_are_drawn():
    codes: Any = (RNG.normal(size=(60, 2)) * [1, 3] + [5, -2]).astype(np.float32)
    decoded = []
    source = make_source(latents=lambda x: codes, decode=lambda z: decoded.append(z) or np.zeros((len(z), *SHAPE)))
    _, ends = found(source, "plane_tiles", "plane_ends")
    (z,) = decoded
    n = round(len(z) ** 0.5)
    np.testing.assert_allclose(z[[n * n - n, n - 1]], ends, rtol=1e-5)  # low left and high right in reading order
    assert ((codes >= ends[0]) & (codes <= ends[1])).all(axis=1).mean() > 0.95
    np.testing.assert_allclose(*(ends[1] - ends[0]))  # a square


def test_the_activity_of_frames_is_the_variance_of_the_codes_over_epochs():
    frames = RNG.normal(size=(3, 20, 4)).astype(np.float32)
    source = make_source(film=lambda: ([0, 20, 40], frames, np.arange(20)), steps_per_epoch=10.0)
    epochs, values = found(source, "activity_epochs", "activity_values")
    assert epochs.tolist() == [0, 2, 4]
    np.testing.assert_allclose(values, frames.var(axis=1), rtol=1e-5)
    assert found(source._replace(steps_per_epoch=None), "activity_epochs") == [None]


def test_the_map_of_sigma_is_its_quadratic_mean_over_images(monkeypatch):
    monkeypatch.setattr(reconstruction_errors, "PIECE", 7)
    source = make_source(pixel_sigma=lambda x: (x / 255).astype(np.float32))
    expected = np.sqrt(np.square(source.test.images / 255).mean(axis=(0, 3)))
    np.testing.assert_allclose(found(source, "sigma_map")[0], expected, rtol=1e-5)
    (drawn,) = draw_figures(make_source(), {"sigma": FIGURES["sigma"]})
    assert "learns sigma" in drawn.lacks


def pixels_in(png: bytes) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """Return the pixels of a PNG, and its boxes as (left, top, right, bottom) in pixels."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    size = np.array(pixels.shape[1::-1])
    boxes = np.array(read_boxes(png)).reshape(-1, 2, 2)
    ends = np.concatenate([boxes[:, 0] * size, (boxes[:, 0] + boxes[:, 1]) * size], axis=1)
    return pixels, [tuple(box) for box in ends.round().astype(int).tolist()]


def test_boxes_of_a_png_cover_its_images_and_nothing_else():
    pixels, boxes = pixels_in(png_bytes(fig_samples(np.zeros((7, 8, 8, 1), np.float32))))
    assert len(boxes) == 2  # two whole rows, and one image of the last
    covered = np.zeros(pixels.shape[:2], bool)
    for left, top, right, bottom in boxes:
        covered[top:bottom, left:right] = True
    assert (pixels[covered] < 230).all()  # black images and grey gaps
    assert (pixels[70:][~covered[70:]] == 255).all()  # the page under the title


def test_pictures_beside_each_other_have_a_box_each_and_charts_have_none():
    tiles = np.zeros((169, 8, 8, 1), np.float32)
    plane = FIGURES["manifold"](tiles, tiles, 2.0)
    pixels, boxes = pixels_in(png_bytes(plane))  # pyright: ignore[reportArgumentType]
    (left, right) = sorted(boxes)
    assert left[2] < right[0]
    assert (pixels[left[1] : left[3], left[2] + 1 : right[0] - 1] == 255).all()
    assert read_boxes(png_bytes(FIGURES["curves"]({}))) == []  # pyright: ignore[reportArgumentType]
    assert read_boxes(b"no picture") == []


@pytest.mark.parametrize(
    "text",
    ["[[0, 0, 1, Infinity]]", "[[0, 0, 1e999, 1], [0, 0, 1, 1]]", "[[NaN, 0, 1, 1]]", f"[[0, 0, 1, {10**400}]]", "[" * 9999, "7"],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_boxes_of_a_foreign_picture_that_are_no_finite_numbers_are_none(text):
    info = PngInfo()
    info.add_text(KEY, text)
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "png", pnginfo=info)
    assert read_boxes(file.getvalue()) == []


def test_a_figure_of_another_checkpoint_than_the_shown_one_says_so_on_the_page(tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    monkeypatch.setattr(run_page, "MOST_FIGURE_BYTES", 100_000)  # the rest is linked
    for step, names in ((2000, ["walk", "qq"]), (3000, ["samples"]), (None, ["errors"])):
        drawn = {name: lambda: fig_samples(np.zeros((4, 8, 8, 1), np.float32)) for name in names}
        monkeypatch.setattr("vae_jax.artifacts.figures.FIGURES", drawn)
        list(write_figures(make_source(step=step), names, tmp_path / "figures"))
    large = png_bytes(Figure(figsize=(20, 20)), 2000)
    (tmp_path / "figures" / "qq.png").write_bytes(large + bytes(100_000))
    embedded, linked = run_page.figures(tmp_path, tmp_path, 3000)
    old = " (drawn at step 2,000; vae-jax visualize draws it again)"
    named = {name: run_page.FIGURES[name] for name in ("errors", "samples", "walk", "qq")}
    assert [one["caption"] for one in embedded] == [named["errors"], named["samples"], named["walk"] + old]
    assert [one["caption"] for one in linked] == [named["qq"] + old]
    assert read_step(b"no picture") is None


def test_the_step_of_a_run_is_that_of_its_figures(tmp_path):
    run, split = random_run((8, 8, 1), latent_dim=2), Split(np.zeros((2, 8, 8, 1), np.uint8), np.zeros(2, np.int32))
    run.step = 7
    source = source_of(run, Dataset(split, split, split, ("a",)), tmp_path)
    (drawn,) = write_figures(source, ["samples"], tmp_path)
    assert read_step(drawn.paths[0].read_bytes()) == 7


def test_the_page_gets_the_boxes_of_its_figures(tmp_path):
    (tmp_path / "figures").mkdir()
    png = png_bytes(fig_samples(np.zeros((4, 8, 8, 1), np.float32)))
    (tmp_path / "figures" / "samples.png").write_bytes(png)
    ((figure,), linked) = run_page.figures(tmp_path, tmp_path, 0)
    assert figure["boxes"] == read_boxes(png) != []
    assert linked == []
    assert set(run_page.FIGURES) | {"curves"} == set(FIGURES)
