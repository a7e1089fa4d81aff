"""The report in a browser, opened from disk: each control is compared with the run."""

import shutil

import numpy as np
import pytest
from support.explorer_page import SHADE, draw

import vae_jax
from vae_jax import data
from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.report import write_comparison


@pytest.mark.parametrize("name", ["plane", "deep", "ae", "line", "colour"])
def test_a_page_opens_without_other_files_and_decodes_its_initial_point(explorer, name, tmp_path):
    there = explorer(name)
    alone = tmp_path / "mailed.html"  # no other file of the run is next to it
    shutil.copy(there.run.workdir / "report.html", alone)
    there.page.goto(alone.as_uri())
    there.page.wait_for_selector("#decoded[data-shown]")
    there.settle()
    there.shows(there.code(there.typical()))
    assert (
        there.page.locator(".uplot").count()
        == there.page.evaluate("document.querySelectorAll('#charts > div').length")
        > 0
    )
    assert "ms here" in there.page.locator("#speed").text_content()
    assert there.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", ["plane", "deep", "ae", "colour"])
def test_the_plane_decodes_the_point_under_the_pointer_and_a_click_selects_it(explorer, name):
    there = explorer(name)
    before, before_z = there.pixels(), there.code(there.typical())
    there.page.mouse.move(*there.place(0.2, 0.8))
    there.settle()
    under = there.pixels()
    assert np.abs(under - before).max() > 0.02
    there.page.mouse.move(*there.place(0.5, 1.5))  # outside the plane
    there.settle()
    np.testing.assert_array_equal(there.pixels(), before)
    there.page.mouse.click(*there.place(0.2, 0.8))
    there.page.mouse.move(*there.place(0.5, 1.5))
    there.settle()
    np.testing.assert_allclose(there.pixels(), under, atol=SHADE)
    state = there.state()
    if "z" in state:  # no code is at this point
        there.shows(there.z())
        plane = there.content()["planes"][0]
        off = np.array(plane["axes"]) @ (there.z() - before_z)
        np.testing.assert_allclose(there.z() - before_z, off @ np.array(plane["axes"]), atol=2e-3)


def test_a_click_on_a_point_selects_its_image(explorer):
    there = explorer("plane")
    codes = there.run.encode(data.load(there.run.config).test.images).mean
    found = set()
    for step in np.linspace(0.2, 0.8, 25):
        there.page.mouse.move(*there.place(step, 0.5))
        there.page.wait_for_timeout(20)
        if there.page.locator("#tip").is_visible():
            told = there.page.locator("#tip-text").text_content()
            there.page.mouse.click(*there.place(step, 0.5))
            there.settle()
            row = there.content()["points"]["rows"][there.at()]
            assert f"test image {row:,} (class " in told
            there.page.mouse.move(*there.place(0.5, 1.5))
            there.settle()
            there.shows(codes[row])
            found.add(row)
        if len(found) == 2:
            return
    raise AssertionError("no two points were met on the way")


def test_the_keyboard_moves_the_point(explorer):
    there = explorer("plane", "at=centre")
    there.page.focus("#plane")
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowUp"):
        there.page.keyboard.press(key)
    there.settle()
    right, up = there.z()
    assert right > 0.1
    np.testing.assert_allclose(right, 6 * up, rtol=1e-2)
    there.shows(there.z())
    there.page.keyboard.press("Enter")
    there.settle()
    codes = there.run.encode(data.load(there.run.config).test.images).mean
    row = there.content()["points"]["rows"][there.at()]
    assert row == np.square(codes - [right, up]).sum(axis=1).argmin()


def test_sliders_random_draws_and_reset(explorer):
    there = explorer("deep", "at=centre")
    assert there.page.locator("#sliders .slider").count() + there.page.locator("#inactive .slider").count() == 30
    order = there.content()["dimensions"]
    assert [one["kl"] for one in order] == pytest.approx(
        there.run.kl_terms(data.load(there.run.config).test.images).mean(axis=0)[[one["index"] for one in order]],
        abs=1e-3,
    )
    there.set("#sliders .slider:first-child input", 2)
    expected = np.zeros(30)
    expected[order[0]["index"]] = 2
    there.shows(expected)
    there.click("#sample")
    drawn = there.z()
    assert 0.3 < drawn.std() < 2
    there.shows(drawn)
    there.click("#reset")
    assert there.state()["at"] == "centre"
    assert there.page.locator("#where").text_content().startswith("the centre of the prior (z = 0)")
    there.shows(np.zeros(30))


def test_all_dimensions_but_one_can_be_taken_from_an_image(explorer):
    there = explorer("deep")
    there.set("#sliders .slider:first-child input", 3)
    there.set("#pick", 5)
    there.click("#others")
    row = there.content()["points"]["rows"][4]
    expected = there.run.encode(data.load(there.run.config).test.images[row][None]).mean[0].copy()
    expected[there.content()["dimensions"][0]["index"]] = 3
    np.testing.assert_allclose(there.z(), expected, atol=1e-3)
    there.shows(expected)
    there.click("#next")
    assert there.state()["at"] == there.state()["image"] == "6"


def test_the_nearest_images_are_those_at_the_smallest_distance(explorer):
    there = explorer("ae", "z=0.5_-1_0.25")
    codes = there.run.encode(data.load(there.run.config).test.images).mean[there.content()["points"]["rows"]]
    expected = np.argsort(np.square(codes - [0.5, -1, 0.25]).sum(axis=1))[:5]
    shown = there.page.eval_on_selector_all("#nearest button", "all => all.map(one => +one.dataset.index)")
    assert shown == expected.tolist()
    there.click("#nearest button:nth-child(2)")
    assert there.at() == expected[1]


@pytest.mark.parametrize(
    ("way", "steps"), [("straight", geometry.straight_walk), ("spherical", geometry.spherical_walk)]
)
def test_an_interpolation_leads_from_one_image_to_the_other(explorer, way, steps):
    there = explorer("deep")
    there.click("#tab-walk")
    there.page.check(f"input[value={way}]")
    test = data.load(there.run.config).test
    rows = there.content()["points"]["rows"]
    codes = there.run.encode(test.images[rows]).mean
    ends = [codes[test.labels[rows] == k].mean(axis=0) for k in (3, 7)]
    there.set("#along", 0.25)
    there.shows(steps(*ends, 5)[1])
    there.page.select_option("#to", "i")
    there.set("#to-image", 9)
    there.set("#along", 0.5)
    there.shows(steps(ends[0], codes[8], 3)[1])
    assert there.page.locator("#strip button").count() == 10
    there.click("#strip button:last-child")
    there.shows(codes[8])
    there.page.click("#play")
    there.page.wait_for_timeout(500)
    there.page.click("#play")
    there.settle()
    assert 0 < float(there.state()["t"]) < 1
    assert there.state()["ends"] == "c3-i8"


def test_images_without_labels_and_a_one_dimensional_latent_space(explorer):
    there = explorer("line", "tool=walk&ends=i0-i5&t=0")
    assert there.page.locator("#legend button").count() == 0
    assert there.page.locator("#from option").all_text_contents() == ["test image"]
    there.set("#along", 1)
    test = data.load(there.run.config).test.images[there.content()["points"]["rows"][5]]
    there.shows(there.run.encode(test[None]).mean[0])
    assert there.page.locator("#sliders .slider, #inactive .slider").count() == 1
    assert there.page.locator("#plane-choice").is_disabled()


def test_inactive_dimensions_are_collapsed(explorer):
    there = explorer("deep")
    inactive = sum(not one["active"] for one in there.content()["dimensions"])
    assert there.page.locator("#inactive .slider").count() == inactive
    assert there.page.locator("#inactive-box").is_visible() == (inactive > 0)
    if inactive:
        assert not there.page.locator("#inactive .slider").first.is_visible()


def test_the_plane_is_decoded_on_demand(explorer):
    there = explorer("plane")
    there.page.check("#tiles")
    there.page.wait_for_selector("#plane[data-tiles=done]", timeout=20_000)
    there.settle()
    assert there.state()["decoded"] == "1"
    ratio = there.page.evaluate("devicePixelRatio")
    shown = there.pixels("plane")
    side = shown.shape[1]
    left, size = 46 * ratio, side - 58 * ratio
    # The 13 x 13 tiles cover the plane's square.
    plane = there.page.evaluate("""() => { const t = document.getElementById('plane'); return [t.clientWidth]; }""")
    assert plane[0] * ratio == pytest.approx(side, abs=1)
    tile = shown[int(12 * ratio) : int(12 * ratio + size / 13), int(left) : int(left + size / 13)]
    assert tile.std() > 0.05  # an image, not a single colour
    # 8 x 8 images, with one of their pixels between them: columns 8, 17, 26, ... of 116 are the line.
    square = shown[int(12 * ratio) : int(12 * ratio + size), int(left) : int(left + size)].mean(axis=-1)
    columns = square[:, ((np.arange(116) + 0.5) * square.shape[1] / 116).astype(int)]
    dark = (np.abs(columns - 0x26 / 255) < SHADE).mean(axis=0)  # the codes' points and the cross cover some
    assert np.flatnonzero(dark > 0.3).tolist() == list(range(8, 116, 9))


def test_the_plane_shows_the_range_of_the_codes(explorer):
    there = explorer("plane")
    codes = np.abs(there.run.encode(data.load(there.run.config).test.images).mean).max()
    there.page.mouse.click(*there.place(0.96, 0.04))  # the upper right corner
    there.settle()
    assert 0.7 < there.z().max() <= 1.2 * max(codes, 1)


def test_the_address_stores_the_view(explorer):
    there = explorer("deep", "plane=1&tool=walk&way=spherical&ends=c1-i3&t=0.3&image=4")
    there.set("#along", 0.4)
    kept, state = there.pixels(), there.page.url.partition("#")[2]
    there.open(state)
    np.testing.assert_allclose(there.pixels(), kept, atol=SHADE)
    assert there.page.url.partition("#")[2] == state
    assert there.page.locator("#plane-choice").input_value() == "1"
    assert there.page.locator("#panel-walk").is_visible()
    assert not there.page.locator("#panel-dimensions").is_visible()
    assert there.page.locator("#from").input_value() == "c1"
    assert there.page.locator("#to-image").input_value() == "4"
    assert there.page.is_checked("input[value=spherical]")


@pytest.mark.parametrize(
    "state", ["plane=9&tool=none&z=1_a&ends=c99-i5&t=7&image=-3&drawing=%%%", "at=0", "z=", "drawing=AAAA"]
)
def test_an_invalid_address_shows_the_initial_view(explorer, state):
    there = explorer("plane", state)
    there.shows(there.code(there.typical()))


def test_a_drawing_is_encoded_as_by_the_run(explorer):
    there = explorer("plane")
    there.click("#tab-draw")
    there.set("#brush", 0.1)
    draw(there, np.pad(np.ones((5, 2)), ((0, 3), (1, 5))))
    seen = there.pixels("seen")
    assert seen.max() > 0.8
    posterior = there.run.encode(seen[None].astype(np.float32))
    there.shows(posterior.mean[0])
    assert "drawing" in there.state()
    kept = there.pixels()
    there.open(there.page.url.partition("#")[2])
    np.testing.assert_allclose(there.pixels(), kept, atol=3 * SHADE)
    framing = there.content()["framing"]
    weight = seen[..., 0] / seen.sum()
    centre = [(np.arange(8) + 0.5) @ weight.sum(axis=axis) for axis in (1, 0)]
    np.testing.assert_allclose(centre, framing["centre"], atol=0.6)  # shifted if its box would exceed the image
    there.click("#tab-draw")
    there.click("#clear")
    there.shows(there.code(there.typical()))
    there.page.uncheck("#frame")
    draw(there, np.pad(np.ones((2, 2)), ((0, 6), (0, 6))))
    assert there.pixels("seen")[:2, :2].min() > 0.5
    assert there.pixels("seen")[3:, 3:].max() == 0


def test_a_drawing_in_colour(explorer):
    there = explorer("colour", "tool=draw")
    assert there.page.locator("#ink-label").is_visible()
    there.set("#ink", "#ff0000")
    draw(there, np.ones((12, 10)))
    np.testing.assert_allclose(there.pixels("seen"), np.broadcast_to([1, 0, 0], (12, 10, 3)), atol=0.02)
    there.shows(there.run.encode(there.pixels("seen")[None].astype(np.float32)).mean[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_fits_any_width_in_light_and_dark(explorer, trained, tmp_path, scheme, width):
    there = explorer("deep")
    there.page.emulate_media(color_scheme=scheme)
    there.page.set_viewport_size({"width": width, "height": 900})
    there.settle()
    assert there.page.evaluate("document.documentElement.scrollWidth") <= width
    background = there.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) > 380) == (scheme == "light")
    for selector in ("#plane", "#decoded", "#sliders"):
        box = there.page.locator(selector).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    write_comparison([trained(name).workdir for name in ("plane", "deep")], tmp_path / "c.html")  # pyright: ignore[reportAttributeAccessIssue]
    there.page.goto((tmp_path / "c.html").as_uri())
    there.page.wait_for_selector(".uplot")
    assert there.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(explorer):
    there = explorer("deep")
    nameless = there.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, canvas[role], [role=tab], img')]
          .filter(e => !(e.textContent.trim() || e.ariaLabel || e.getAttribute('aria-label') || e.alt || e.labels?.length
            || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"""
    )
    assert nameless == []
    there.page.keyboard.press("Tab")
    reached = set()
    for _ in range(100):
        reached.add(there.page.evaluate("document.activeElement.id"))
        there.page.keyboard.press("Tab")
    assert {
        "plane",
        "plane-choice",
        "colour-choice",
        "tiles",
        "pick",
        "go",
        "tab-dimensions",
        "sample",
        "reset",
        "others",
        "save-z",
        "zoom-in",
    } <= reached


def test_a_chart_shows_values_under_the_pointer(explorer):
    there = explorer("plane")
    box = there.page.locator("#charts .u-over").first.bounding_box()
    legend = there.page.locator("#charts .u-legend").first
    before = legend.text_content()
    there.page.locator("#charts .u-over").first.scroll_into_view_if_needed()
    box = there.page.locator("#charts .u-over").first.bounding_box()
    there.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    there.settle()
    assert legend.text_content() != before


def test_the_page_works_in_the_frame_of_a_notebook(page, trained, tmp_path):
    run = trained("plane")
    (tmp_path / "notebook.html").write_text(f"<!doctype html><meta charset=latin1>{vae_jax.explore(run)._repr_html_()}")
    page.goto((tmp_path / "notebook.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("#sample").click()
    page.wait_for_timeout(400)  # longer than the page waits before it writes its state
    assert frame.locator("#try").is_visible()
