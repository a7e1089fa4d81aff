"""The page at first sight, and all that follows the pointer."""

import base64

import numpy as np
import pytest
from support.explorer_page import SHADE, draw

from vae_jax import data


def box(there, selector: str) -> dict[str, float]:
    found = there.page.locator(selector).first.bounding_box()
    assert found is not None, selector
    return found


def test_the_page_opens_on_a_typical_test_image_beside_its_reconstruction(explorer):
    there = explorer("deep")
    place = there.typical()
    row = there.content()["points"]["rows"][place]
    image = data.load(there.run.config).test.images[row]
    np.testing.assert_allclose(there.pixels("original"), image / 255, atol=SHADE)
    there.shows(there.code(place))
    assert f"Test image {row:,} (class " in there.page.locator("#original-title").text_content()
    assert there.page.locator("#decoded-title").text_content() == "Its reconstruction"
    left, right = box(there, "#original"), box(there, "#decoded")
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    nearest = there.page.eval_on_selector_all("#nearest button", "all => all.map(one => +one.dataset.index)")
    assert len(nearest) == 5
    assert place not in nearest  # an image is no neighbour of itself
    assert there.page.locator(".about").get_attribute("open") is None
    assert there.page.locator("h1").bounding_box()["height"] < 40  # one line


def test_a_model_without_labels_opens_on_the_image_nearest_to_the_mean_code(explorer):
    there = explorer("line")
    codes = there.run.latents(data.load(there.run.config).test.images[there.content()["points"]["rows"]])
    there.shows(codes[np.square(codes - codes.mean(axis=0)).sum(axis=1).argmin()])
    assert there.page.locator("#likeness").text_content() == ""


@pytest.mark.parametrize(
    ("width", "height", "state", "visible"),
    [
        (1600, 1000, "", ("h1", "#plane", "#original", "#decoded", "#sliders .slider", "#legend")),
        (1024, 768, "tool=walk&t=0.5", ("#decoded", "#play", "#along", "#strip button:last-child", "#plane")),
        (360, 760, "", ("#plane", "#inset", "#tab-draw", "#reset", "#sliders .slider input")),
    ],
)
def test_image_plane_and_tools_are_on_one_screen(explorer, width, height, state, visible):
    there = explorer("deep")
    there.page.set_viewport_size({"width": width, "height": height})
    there.open(state)
    for selector in visible:
        found = box(there, selector)
        assert found["y"] >= 0, selector
        assert found["y"] + found["height"] <= height, selector
    if width < 900:  # the plane and its inset stay while the tools scroll
        there.page.mouse.wheel(0, 500)
        there.page.evaluate("scrollTo(0, 500)")
        there.settle()
        assert box(there, "#plane")["y"] == pytest.approx(0, abs=1)
        np.testing.assert_array_equal(there.pixels("inset"), there.pixels("decoded"))


def test_the_nearest_images_and_their_class_follow_the_pointer(explorer):
    there = explorer("plane")
    page, chosen = there.page, there.page.locator("#likeness").text_content()
    nearest = "all => all.map(one => +one.dataset.index)"
    before = page.eval_on_selector_all("#nearest button", nearest)
    opacity = "getComputedStyle(document.getElementById('panel-dimensions')).opacity"
    assert float(page.evaluate(opacity)) == 1
    page.mouse.move(*there.place(0.2, 0.2))
    there.settle()
    under = page.eval_on_selector_all("#nearest button", nearest)
    assert under != before
    labels = [there.content()["points"]["labels"][i] for i in under]
    commonest = max(labels, key=labels.count)
    count = labels.count(commonest)
    told = page.locator("#likeness").text_content()
    names = ", ".join(map(str, dict.fromkeys(labels)))
    assert told == (f"looks like {commonest}: {count} of 5 neighbours" if count > 2 else f"between classes: {names}")
    assert float(page.evaluate(opacity)) < 1  # the tools belong to another point, and say to which
    assert page.locator("#belongs").text_content().startswith("The tools hold the chosen point: test image")
    page.mouse.move(*there.place(0.5, 1.5))
    there.settle()
    assert page.eval_on_selector_all("#nearest button", nearest) == before
    assert page.locator("#likeness").text_content() == chosen


def test_away_from_the_images_the_nearest_one_is_shown_dimmed_with_its_name(explorer):
    there = explorer("plane", "z=2.5_2.5")
    index = int(there.page.locator("#nearest button").first.get_attribute("data-index"))
    row = there.content()["points"]["rows"][index]
    image = data.load(there.run.config).test.images[row]
    np.testing.assert_allclose(there.pixels("original"), image / 255, atol=SHADE)
    assert there.page.locator("#original-title").text_content().startswith(f"Nearest: {row:,}")
    assert "dim" in there.page.locator("figure:has(#original)").get_attribute("class")


def test_the_links_to_sections_keep_the_view(explorer):
    there = explorer("plane", "tool=walk&z=0.5_0.25")
    there.page.click("nav a[href='#results']")
    there.settle()
    there.shows([0.5, 0.25])
    assert there.page.locator("#panel-walk").is_visible()


def test_equal_codes_keep_their_own_images(explorer):
    there = explorer("plane")
    page = there.page
    html = (there.run.workdir / "report.html").read_text()
    content = there.content()
    size = len(content["points"]["rows"])
    same = base64.b64encode(np.zeros((size, 2), "<f4").tobytes()).decode()
    html = html.replace(content["points"]["codes"]["numbers"], same)
    (there.run.workdir / "same.html").write_text(html)
    page.goto((there.run.workdir / "same.html").as_uri())
    page.wait_for_selector("#decoded[data-shown]")
    number = int(page.locator("#pick").input_value())
    there.click("#next")
    row = content["points"]["rows"][number]
    assert page.locator("#original-title").text_content().startswith(f"Test image {row:,} (class")
    assert there.state()["at"] == there.state()["image"] == str(number + 1)


def test_another_class_than_that_of_the_image_is_not_called_its_reconstruction(explorer):
    there = explorer("conditional")
    assert there.page.locator("#decoded-title").text_content() == "Its reconstruction"
    label = there.content()["points"]["labels"][there.at()]
    there.set("#class-choice", (label + 1) % 10)
    assert there.page.locator("#decoded-title").text_content() == f"Decoded as {(label + 1) % 10}"
    assert there.page.locator("#error").text_content().strip() == ""
    assert there.page.locator("#likeness").text_content() == ""  # z does not hold the class
    worst = there.page.locator("#try a", has_text="worst")
    there.click("#try a:has-text('worst')")
    assert worst.count() == 1
    assert there.page.locator("#decoded-title").text_content() == "Its reconstruction"


def test_errors_that_are_not_finite_leave_a_page_that_works(explorer):
    there = explorer("plane")
    html, content = (there.run.workdir / "report.html").read_text(), there.content()
    errors = content["points"]["errors"]["numbers"]
    wrong = np.frombuffer(base64.b64decode(errors), "<f4").copy()
    wrong[:5] = np.nan
    html = html.replace(errors, base64.b64encode(wrong.tobytes()).decode())
    (there.run.workdir / "nan.html").write_text(html)
    there.page.goto((there.run.workdir / "nan.html").as_uri() + "#colour=1")
    there.page.wait_for_selector("#decoded[data-shown]")
    assert "test images" in there.page.locator("#error").text_content()


def test_a_drawing_is_called_like_or_unlike_the_data_by_its_error(explorer):
    there = explorer("plane", "tool=draw")
    there.page.uncheck("#frame")
    rng = np.random.default_rng(0)
    draw(there, rng.random((8, 8)), threshold=0.5)
    told = there.page.locator("#error").text_content()
    assert told.endswith(": unlike the data")
    seen, shown = there.pixels("seen"), there.pixels("decoded")
    error = np.square(seen - shown).mean()
    assert float(told.split()[2].strip(",")) == pytest.approx(error, abs=2e-3)
    there.click("#clear")
    test = data.load(there.run.config).test
    errors = np.square(there.run.reconstruct(test.images) - test.images / 255).mean(axis=(1, 2, 3))
    assert not there.page.locator("#error").text_content().endswith("data")
    share = (errors[there.content()["points"]["rows"]] < errors[there.content()["points"]["rows"][there.at()]]).mean()
    assert f"larger than for {round(100 * share)}% of test images" in there.page.locator("#error").text_content()


@pytest.mark.parametrize("tool", ["dimensions", "walk", "samples", "draw"])
def test_touch_targets_are_44_pixels_high(explorer, tool):
    there = explorer("deep")
    there.page.set_viewport_size({"width": 360, "height": 760})
    there.open(f"tool={tool}")
    small = there.page.evaluate(
        """() => [...document.querySelectorAll('button, select, input[type=number], input[type=range], summary, nav a, .check')]
          .filter(e => e.offsetParent && e.getBoundingClientRect().height < 43.5)
          .map(e => `${e.id || e.textContent.trim()} ${e.getBoundingClientRect().height}`)"""
    )
    assert small == []
