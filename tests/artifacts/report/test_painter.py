"""The data of the grid of codes on a page."""

import json
from typing import Any

import jax
import numpy as np
import pytest
from support.pairs import pair_of
from support.quantized import codes_of_digits, of_classes, of_digits
from support.random_run import random_run
from support.slow import first_fast

from vae_jax import data
from vae_jax.artifacts.report import painter
from vae_jax.data.preprocess import unit
from vae_jax.runs.run import Run
from vae_jax.types import Dataset, Split


def digits() -> Dataset:
    return data.load(of_digits("vq")[0].config)


def content(run: Run, counts: list[int] | None = None) -> dict[str, Any]:
    levels = run.model.grid[2] if len(run.model.grid) == 3 else 1
    return painter.content(run, digits(), counts or list(range(run.model.num_codes * levels)))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "levels", "whole"),
    first_fast([("residual", 2, 2, 3, False), ("vq", 2, 2, 1, False), ("mlp", 1, 4, 2, True)]),
)
def test_the_grid_holds_the_codes_of_test_images_of_all_classes_in_turn(name, rows, columns, levels, whole):
    run, images = of_digits(name)
    found = content(run)
    assert [found[key] for key in ("rows", "columns", "levels", "whole")] == [rows, columns, levels, whole]
    shown = [int(title.split()[2].replace(",", "")) for title in found["titles"]]
    np.testing.assert_array_equal(found["codes"], codes_of_digits(name)[shown])
    labels = digits().test.labels[shown]
    assert labels[:20].tolist() == [*range(10), *range(10)]
    assert found["titles"][3] == f"test image {shown[3]:,} (class 3)"
    errors = np.square(run.reconstruct(images[shown]) - images[shown]).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found["errors"], errors, rtol=1e-4)
    assert np.mean(errors <= errors[found["typical"]]) == pytest.approx(0.5, abs=0.02)
    size = run.model.num_codes
    assert found["listed"] == [list(range(size - 1, -1, -1))] * levels
    assert (found["patches"] is None, found["draws"], found["classes"], found["finite"]) == (whole, None, [], True)
    json.dumps(found)


def test_the_picture_of_a_code_is_the_mean_of_the_places_that_have_it():
    decoded = np.arange(2 * 5 * 4).reshape(2, 5, 4, 1) / 40
    codes = np.array([[[7, 3], [7, 7]], [[3, 9], [7, 3]]])
    # Five rows in two places: they start at row 0 and 2, and have three rows each.
    pieces = {
        (row, column): decoded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 2]
        for row in (0, 1)
        for column in (0, 1)
    }
    means, counts = painter.patches(decoded, codes, np.array([9, 3, 5]))
    assert counts.tolist() == [1, 3, 0]
    np.testing.assert_allclose(means[0], pieces[0, 1][1])
    np.testing.assert_allclose(means[1], (pieces[0, 1][0] + pieces[0, 0][1] + pieces[1, 1][1]) / 3)
    assert not means[2].any()


def test_only_the_most_used_codes_are_listed_and_the_most_used_are_first(monkeypatch):
    monkeypatch.setattr(painter, "MOST_LISTED", 4)
    run, _ = of_digits("residual")
    found = content(run, [0, 5, 5, 9, 0, 0, 0, *[1] * 7, *range(7)])
    assert found["listed"] == [[3, 1, 2, 0], [0, 1, 2, 3], [6, 5, 4, 3]]


@pytest.mark.slow
def test_a_code_that_no_image_has_is_shown_where_all_places_have_it():
    run, _ = of_digits("fsq")
    shown = painter._shown(run, digits())
    used = np.unique(shown.codes)
    unused = np.setdiff1d(np.arange(40), used)[:1]
    assert len(unused)
    (picture,) = painter._pictures(run, shown, [unused], (2, 2))
    assert run.model.from_codes is not None
    decoded = run.decode(jax.jit(run.model.from_codes)(run.params, np.full((1, 4), unused[0], np.int32)))[0]
    quarters = decoded.reshape(2, 4, 2, 4, 1).mean(axis=(0, 2))
    np.testing.assert_allclose(picture / 255, quarters, atol=0.003)


def test_a_page_says_why_it_cannot_run_a_network(monkeypatch):
    drawn = random_run((8, 8, 1), model="quantized", likelihood="pixelcnn", pixelcnn__features=4, pixelcnn__layers=1)
    reason = painter.content(drawn, digits(), [])["reason"]
    assert reason == "The page cannot run a likelihood=pixelcnn, so nothing is decoded here."
    monkeypatch.setattr("vae_jax.artifacts.report.explorer.MOST_NUMBERS", 100)
    assert "weights, more than the 100" in content(of_digits("vq")[0])["reason"]


def test_the_images_of_a_conditional_model_have_the_labels_that_it_is_given():
    run = random_run((8, 8, 1), 10, model="quantized", vq__codes=16, condition="label")
    run.spec = run.spec._replace(class_names=tuple("0123456789"))
    found, images = content(run), unit(digits().test.images)
    shown = [int(title.split()[2].replace(",", "")) for title in found["titles"]]
    assert found["labels"] == digits().test.labels[shown].tolist()
    assert (found["classes"], content(of_digits("vq")[0])["labels"]) == (list("0123456789"), [])
    decoded = run.reconstruct(images[shown], np.array(found["labels"]))
    np.testing.assert_allclose(found["errors"], np.square(decoded - images[shown]).mean(axis=(1, 2, 3)), rtol=1e-4)


@pytest.mark.slow
def test_a_pair_draws_its_codes_from_the_learned_prior(monkeypatch):
    monkeypatch.setattr(painter, "NUM_DRAWS", 30)
    parent, _ = of_digits("vq")
    run = pair_of(parent)
    found = content(run)
    draws = np.array(found["draws"])
    assert (draws.shape, found["classes"]) == ((30, 4), [])
    assert 0 <= draws.min() < draws.max() < 16
    np.testing.assert_array_equal(found["codes"], content(parent)["codes"])


def test_a_prior_that_is_given_the_class_draws_all_classes_in_turn(monkeypatch):
    monkeypatch.setattr(painter, "NUM_DRAWS", 7)
    given, images = of_classes(), digits().test.images[:12]
    small = Split(images, np.arange(12, dtype=np.int32) % 3)
    found = painter.content(given, Dataset(small, small, small, given.class_names), [1] * 16)
    assert found["draws"] == [[label] * 4 for label in (0, 1, 2, 0, 1, 2, 0)]
    assert (found["classes"], found["labels"]) == (["a", "b", "c"], [])
