"""Objects that a notebook shows."""

import base64
import html
import inspect
import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from support.random_run import random_run

import vae_jax
from vae_jax.artifacts import figures, notebook
from vae_jax.errors import InputError

unchecked = inspect.unwrap
"""Argument types are checked in tests only."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The directory of a run as a notebook finds it: results, a picture, metrics."""
    folder = tmp_path_factory.mktemp("a run")
    (folder / "figures").mkdir()
    (folder / "figures" / "<b>.png").write_bytes(b"pixels")
    (folder / "figures" / "notes.txt").write_bytes(b"no picture")
    results = {"test/elbo": -24.125, "val/elbo": -25.0, "test/active_units": 2.0, "pixels": "grey"}
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 8, "epoch": 1.0, "train/loss": 3.0}) + "\n")
    return folder


@pytest.fixture
def run(folder):
    run = random_run((8, 8, 1), latent_dim=2)
    run.workdir = folder
    return run


def addresses(text):
    return [base64.b64decode(found) for found in re.findall(r"base64,([^\"]*)", text)]


def test_a_notebook_shows_the_numbers_and_pictures_of_a_run_from_its_files_alone(run, monkeypatch):
    monkeypatch.setattr(type(run), "_in_pieces", None)  # nothing is computed
    text = run._repr_html_()
    assert "<tr><th></th><th>val</th><th>test</th></tr>" in text
    assert "<tr><td>elbo</td><td>-25.00</td><td>-24.12</td></tr>" in text
    assert "<tr><td>active_units</td><td></td><td>2</td></tr>" in text
    assert addresses(text) == [b"pixels"]
    assert "<b>.png" not in text


def test_a_run_without_a_directory_shows_its_name_and_has_no_figures(run):
    run.workdir = None
    assert "vae on digits" in run._repr_html_()
    assert "<table" not in run._repr_html_()
    for show in (lambda: vae_jax.figure(run, "samples"), lambda: vae_jax.explore(run)):
        with pytest.raises(InputError, match=r"^a Run without a workdir"):
            show()


def test_a_figure_is_drawn_for_the_cell_and_saved_on_request(run, tmp_path):
    before = sorted(run.workdir.rglob("*"))
    picture = vae_jax.figure(run, "samples")
    assert isinstance(picture.figure, Figure)
    assert [*picture.files] == ["samples.png"]
    assert addresses(picture._repr_html_()) == [picture.files["samples.png"]]
    assert sorted(run.workdir.rglob("*")) == before
    (path,) = picture.save(tmp_path / "own")
    assert path.read_bytes() == picture.files["samples.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sample", r"^name=sample: unknown; did you mean samples\?"),
        (None, "^name=None: unknown; choices: "),
        ("sigma", "^name=sigma: does not fit this run, it needs"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_one_line(run, name, message):
    with pytest.raises(InputError, match=message):
        unchecked(vae_jax.figure)(run, name)


@pytest.mark.parametrize("show", [vae_jax.figure, vae_jax.explore])
def test_a_folder_in_the_place_of_a_run_is_one_line(show):
    arguments = ("runs/x", "samples") if show is vae_jax.figure else ("runs/x",)
    with pytest.raises(
        InputError, match=r"^run=runs/x: a str and not a Run; choices: vae_jax\.load_run\(FOLDER\), or "
    ):
        unchecked(show)(*arguments)


@pytest.fixture
def ends(run, monkeypatch):
    """Return a function (**choices) -> the names of the ends of a walk."""
    monkeypatch.setattr(figures, "as_files", lambda name, drawn: {})
    monkeypatch.setitem(figures.FIGURES, "walk", lambda walk_ends: [name for name, *_ in walk_ends])
    return lambda **choices: unchecked(vae_jax.figure)(run, "walk", **choices).figure


def test_the_ends_of_a_walk_are_names_or_numbers(ends):
    expected = ["the mean of 3", "the mean of 7"]
    for classes in ((3, 7), ("3", 7), ["3", "7"], np.array([3, 7])):
        assert ends(classes=classes) == expected
    assert ends(images=np.arange(2)) == ["image 0", "image 1"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"classes": (3, 11)}, "classes: 11: no such class among the test images; choices: 0, 1, "),
        ({"classes": (3, -1)}, "classes: -1: no such class"),
        ({"classes": (3,)}, r"classes=\(3,\): not two names or numbers; choices: such as classes=\(3, 7\)"),
        ({"classes": 37}, "classes=37: not two names or numbers"),
        ({"images": ("a", "b")}, r"images=\('a', 'b'\): not two numbers; choices: such as images=\(3, 7\)"),
        ({"images": (0, 10**6)}, "images=0,1000000: the test images are 0 to "),
    ],
)
def test_ends_of_a_walk_that_are_none_are_one_line(ends, choices, message):
    with pytest.raises(InputError, match=f"^{message}"):
        ends(**choices)


def test_the_page_is_in_a_frame_as_plain_ascii(run, monkeypatch):
    def write_report(run, dataset, workdir, path, results):
        assert results is None
        path.write_text('<p title="Größe">&amp; 1 × 2</p>', encoding="utf-8")

    monkeypatch.setattr("vae_jax.artifacts.report.write_report", write_report)
    shown = vae_jax.explore(run, height=300)._repr_html_()
    assert shown.isascii()
    assert "height: 300px" in shown
    (source,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert html.unescape(source) == '<p title="Größe">&amp; 1 × 2</p>'
    assert isinstance(vae_jax.explore(run), notebook.Page)
    assert repr(vae_jax.explore(run)).startswith("<Page: 32 characters, ")
    assert (
        repr(notebook.Picture(None, {"a.png": b"x" * 99, "b.png": b""})) == "<Picture: a.png, b.png; save() writes it>"
    )
