"""The grid of codes on a page, painted with a mouse and with keys, compared with JAX."""

from functools import cache

import jax
import numpy as np
import pytest
from support.explorer_page import SHADE, draw, drop, png
from support.painting_page import Painting
from support.quantized import of_classes, of_digits
from support.random_run import random_run

from vae_jax import data
from vae_jax.artifacts.report.codebook import codes_of
from vae_jax.artifacts.report.run_page import write_report
from vae_jax.runs.run import Run
from vae_jax.runs.workdir import record
from vae_jax.types import Dataset, Split


@pytest.fixture(scope="module")
def written(tmp_path_factory, browser):
    """Return a run of `of_digits` by its name, with the folder of its page."""

    @cache
    def write(name: str) -> Run:
        run, _ = of_digits(name)
        run.workdir = folder = tmp_path_factory.mktemp(name)
        write_report(run, data.load(run.config), folder, folder / "report.html", {})
        return run

    return write


@pytest.fixture
def painting(page, written):
    """Open the page of a run by its name, with a state in its address."""
    return lambda name, state="": Painting(page, written(name), state)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vq", "mlp"])
def test_the_page_opens_on_a_test_image_its_codes_and_its_reconstruction(painting, name):
    there = painting(name)
    row = there.content()["titles"][there.content()["typical"]].split()[2]
    image = data.load(there.run.config).test.images[int(row.replace(",", ""))]
    np.testing.assert_allclose(there.pixels("original"), image / 255, atol=SHADE)
    there.shows_codes(there.codes_of(image / 255))
    assert there.page.locator("#decoded-title").text_content() == "Its reconstruction"
    assert there.page.locator("#error").text_content().startswith("squared error 0.")
    assert there.page.locator("#undo").is_disabled()
    assert there.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert there.page.locator("#tab-dimensions, #plane").count() == 0


def test_a_click_swaps_one_code_and_a_drag_paints_all_places_that_it_meets(painting):
    there = painting("vq")
    codes = there.codes()
    first = there.content()["listed"][0][3]
    there.choose(first)
    there.page.mouse.click(*there.spot(2))
    there.settle()
    codes[2] = first
    there.shows_codes(codes)
    second = there.content()["listed"][0][5]
    there.choose(second)
    there.page.mouse.move(*there.spot(0))
    there.page.mouse.down()
    there.page.mouse.move(*there.spot(1), steps=5)
    there.page.mouse.up()
    there.settle()
    painted = codes.copy()
    painted[:2] = second
    there.shows_codes(painted)
    assert there.page.locator("#decoded-title").text_content() == "Decoded"
    there.click("#undo")  # the whole stroke
    there.shows_codes(codes)
    there.click("#restore")
    there.shows_codes(np.array(there.content()["codes"][there.content()["typical"]]))
    assert there.page.locator("#decoded-title").text_content() == "Its reconstruction"


@pytest.mark.slow
def test_one_code_for_an_image_is_that_of_the_image(page, tmp_path):
    run = random_run((8, 8, 1), model="quantized", quantized__codes_per_image=1, vq__codes=600, vq__dead_below=0.0)
    run.workdir = tmp_path
    record(run.config, tmp_path)
    write_report(run, data.load(run.config), tmp_path, tmp_path / "report.html", {})
    there = Painting(page, run)
    assert there.page.locator("#grid-title").text_content() == "Its codes"
    assert there.page.locator("#decoded-title").text_content() == "Its reconstruction"
    assert there.page.locator("#restore").is_disabled()
    there.shows_codes(np.array(there.content()["codes"][there.content()["typical"]]))
    assert there.page.locator("#palette button").count() == 512
    words = "These are the 512 most used of 600 codes; images and draws may have the others too."
    assert there.page.locator("#listed").text_content() == words
    there.open("codes=5")
    there.shows_codes(np.array([5]))


@pytest.mark.slow
def test_the_page_has_no_line_about_listed_codes_if_all_are_and_none_about_keys_for_fingers(painting, browser):
    there = painting("vq")
    assert there.page.locator("#listed").count() == 0
    assert there.page.locator(".by-keys").is_visible()
    phone = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.goto(f"file://{there.run.workdir / 'report.html'}")
    assert not phone.locator(".by-keys").is_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    phone.close()


@pytest.mark.slow
def test_a_click_with_a_key_replaces_a_code_at_all_places_or_chooses_it(painting):
    there = painting("vq", "codes=3_3_5_3&code=7")
    there.page.keyboard.down("Shift")
    there.page.mouse.click(*there.spot(1))
    there.page.keyboard.up("Shift")
    there.settle()
    there.shows_codes(np.array([7, 7, 5, 7]))
    there.page.keyboard.down("Alt")
    there.page.mouse.click(*there.spot(2))
    there.page.keyboard.up("Alt")
    there.settle()
    assert there.page.locator("#palette [aria-checked=true]").get_attribute("aria-label") == "code 5"
    there.shows_codes(np.array([7, 7, 5, 7]))


def test_the_keyboard_paints_steps_chooses_and_undoes(painting):
    there = painting("vq", "codes=3_3_5_3&code=7")
    listed = there.content()["listed"][0]
    there.page.focus("#grid")
    there.press("ArrowRight", "ArrowRight", "Enter")  # the second step would leave the row
    there.shows_codes(np.array([3, 7, 5, 3]))
    there.press("ArrowDown", "+")
    after = listed[(listed.index(3) + 1) % 16]
    there.shows_codes(np.array([3, 7, 5, after]))
    assert there.page.locator("#where").text_content() == f"row 2, column 2: code {after}"
    there.press("-", "ArrowLeft", "c", "ArrowUp", " ")
    there.shows_codes(np.array([5, 7, 5, 3]))
    there.press("Control+z")
    there.shows_codes(np.array([3, 7, 5, 3]))
    there.press("Shift+Enter")
    there.shows_codes(np.array([5, 7, 5, 5]))
    there.page.focus("#palette [aria-checked=true]")
    there.press("ArrowLeft")
    chosen = listed[listed.index(5) - 1]
    assert there.page.evaluate("document.activeElement.getAttribute('aria-label')") == f"code {chosen}"
    assert there.state()["code"] == str(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "fsq", "categorical"])
def test_codes_of_every_kind_are_drawn_from_the_prior_and_painted(painting, name):
    there = painting(name)
    before = there.codes()
    there.click("#draw-codes")
    drawn = there.codes()
    assert 0 <= drawn.min() <= drawn.max() < there.run.model.num_codes
    assert (drawn != before).any()
    there.shows_codes(drawn)
    assert there.page.locator("#grid-title").text_content() == "Drawn from the uniform prior"
    assert not there.page.locator("#original").is_visible()
    there.choose(there.run.model.num_codes - 1)
    there.page.mouse.click(*there.spot(1))
    there.settle()
    drawn[there.content()["levels"]] = there.run.model.num_codes - 1
    there.shows_codes(drawn)


def test_a_switch_chooses_the_level_that_is_painted(painting):
    there = painting("residual", "level=2")
    codes = there.codes()
    assert there.page.is_checked("#levels input >> nth=1")
    there.page.check("#levels input >> nth=2")
    there.choose(4)
    there.page.mouse.click(*there.spot(3))
    there.settle()
    codes[3 * 3 + 2] = 4
    there.shows_codes(codes)
    assert there.state()["level"] == "3"
    label = there.page.locator("#grid").get_attribute("aria-label")
    assert label == f"codes of level 3, row by row: {codes[2]} {codes[5]}, {codes[8]} {codes[11]}"


def test_an_image_that_is_dropped_fills_the_grid_with_its_codes(painting):
    there = painting("vq")
    image = data.load(there.run.config).test.images[5]
    there.page.uncheck("#frame")
    assert drop(there, "five.png", png(image[..., 0])) == "five.png: taken as it is."
    there.shows_codes(there.codes_of(image / 255))
    assert there.page.locator("#original-title").text_content() == "Your image"
    np.testing.assert_allclose(there.pixels("original"), image / 255, atol=SHADE)
    error = np.square(there.run.reconstruct(image[None])[0] - image / 255).mean()
    assert there.page.locator("#error").text_content() == f"squared error {error:.4f}"


@pytest.mark.slow
def test_a_drawing_has_its_codes_and_clearing_the_pad_returns_to_the_test_image(painting):
    there = painting("vq")
    before = there.codes()
    draw(there, np.pad(np.ones((6, 2)), ((1, 1), (1, 5))))
    assert (there.codes() != before).any()
    there.shows_codes(there.codes_of(there.pixels("seen")))
    there.click("#clear")
    there.shows_codes(before)


@pytest.mark.slow
def test_the_address_restores_the_codes_and_an_invalid_one_the_initial_ones(painting):
    there = painting("vq", "image=4&code=9&codes=1_2_3_15")
    there.shows_codes(np.array([1, 2, 3, 15]))
    assert there.page.locator("#pick").input_value() == "4"
    assert there.page.locator("#chosen").text_content() == "code 9"
    there.click("#restore")
    there.shows_codes(np.array(there.content()["codes"][3]))
    for state in ("image=-3&level=9&code=16&codes=1_2_3_16", "codes=1_2_3", "codes=a_b_c_d&image=x", "code=1.5"):
        there.open(state)
        there.shows_codes(np.array(there.content()["codes"][there.content()["typical"]]))


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1500])
def test_the_grid_fits_any_width_and_every_control_has_a_name(painting, width):
    there = painting("residual")
    there.page.set_viewport_size({"width": width, "height": 900})
    there.settle()
    assert there.page.evaluate("document.documentElement.scrollWidth") <= width
    grid, decoded = (there.page.locator(name).bounding_box() for name in ("#grid", "#decoded"))
    assert grid["width"] == pytest.approx(decoded["width"], abs=3)
    assert grid["y"] + grid["height"] < 900
    nameless = there.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, canvas[role], [role=radiogroup]')]
          .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length
            || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"""
    )
    assert nameless == []
    there.page.keyboard.press("Tab")
    reached = set()
    for _ in range(40):
        reached.add(there.page.evaluate("document.activeElement.id || document.activeElement.parentElement?.id"))
        there.page.keyboard.press("Tab")
    assert {"draw-codes", "grid", "palette", "pick", "random", "save-codes", "clear"} <= reached


@pytest.mark.slow
def test_the_codes_and_the_image_can_be_downloaded(painting, tmp_path):
    there = painting("vq", "codes=1_2_3_15")
    with there.page.expect_download() as download:
        there.page.click("#save-codes")
    download.value.save_as(tmp_path / "codes.txt")
    assert np.loadtxt(tmp_path / "codes.txt").tolist() == [1, 2, 3, 15]
    with there.page.expect_download() as download:
        there.page.click("#save-image")
    assert download.value.suggested_filename == "decoded.png"


@pytest.mark.slow
def test_codes_are_drawn_from_a_learned_prior_given_the_chosen_class(page, tmp_path):
    run = of_classes()
    record(run.config, tmp_path)
    small = Split(data.load(run.config).test.images[:12], np.arange(12, dtype=np.int32) % 3)
    write_report(run, Dataset(small, small, small, run.class_names), tmp_path, tmp_path / "report.html", {})
    run.workdir = tmp_path
    there = Painting(page, run)
    there.page.select_option("#class-choice", label="c")
    for _ in range(3):
        there.click("#draw-codes")
        assert there.codes().tolist() == [2] * 4
        assert there.page.locator("#grid-title").text_content() == "Drawn from the learned prior"
    assert there.page.locator("#class-choice option").all_text_contents() == ["any", "a", "b", "c"]


@pytest.mark.slow
def test_the_switch_of_classes_decides_what_codes_become_and_follows_the_chosen_image(page, tmp_path):
    run = random_run(
        (8, 8, 1), 10, model="quantized", network="conv", channels=(6, 5), quantizer="fsq", condition="label"
    )
    dataset = data.load(run.config)
    run.spec, run.workdir = run.spec._replace(class_names=dataset.class_names), tmp_path
    record(run.config, tmp_path)
    write_report(run, dataset, tmp_path, tmp_path / "report.html", {})
    there = Painting(page, run)

    def shows(codes, label):
        assert run.model.from_codes is not None
        z = jax.jit(run.model.from_codes)(run.params, np.asarray(codes, np.int32)[None])
        np.testing.assert_allclose(there.pixels(), run.decode(z, label)[0], atol=SHADE)
        assert page.locator("#class-choice").input_value() == str(label)

    labels, codes = there.content()["labels"], there.content()["codes"]
    typical = there.content()["typical"]
    shows(codes[typical], labels[typical])
    assert page.locator("#error").text_content().startswith("squared error")
    other = (labels[typical] + 3) % 10
    there.set("#class-choice", other)
    shows(codes[typical], other)
    assert there.state()["class"] == str(other)
    assert page.locator("#decoded-title").text_content() == "Decoded"
    assert not page.locator("#error").text_content().strip()
    there.click("#undo")
    shows(codes[typical], labels[typical])
    there.set("#class-choice", other)
    there.click("#restore")
    shows(codes[typical], labels[typical])
    there.open("image=3&class=1")
    shows(codes[2], 1)
    there.click("#next")
    shows(codes[3], labels[3])
    there.set("#class-choice", 7)
    page.uncheck("#frame")
    drop(there, "five.png", png(dataset.test.images[5, ..., 0]))
    seen = dataset.test.images[5:6] / np.float32(255)
    own = codes_of(run, seen, np.array([7], np.int32))[0]
    np.testing.assert_array_equal(there.codes(), own)
    shows(own, 7)
    assert page.locator("#decoded-title").text_content() == "Its reconstruction"


def test_codes_painted_on_a_dropped_image_come_back_after_restore_or_another_image(painting):
    there = painting("vq", "code=7")
    images = data.load(there.run.config).test.images[5:7]
    there.page.uncheck("#frame")
    drop(there, "five.png", png(images[0, ..., 0]))
    own = there.codes_of(images[0] / 255)
    painted = np.concatenate([[7], own[1:]])
    assert painted[0] != own[0]
    for replace, codes in (
        (lambda: there.click("#restore"), own),
        (lambda: drop(there, "six.png", png(images[1, ..., 0])), there.codes_of(images[1] / 255)),
    ):
        there.page.mouse.click(*there.spot(0))
        there.settle()
        there.shows_codes(painted)
        replace()
        there.shows_codes(codes)
        there.click("#undo")
        there.shows_codes(painted)
        there.click("#undo")
        there.shows_codes(own)
