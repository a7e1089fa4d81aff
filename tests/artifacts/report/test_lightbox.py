"""The figures of a page in a browser: enlarged at a click, and inverted in the dark except for their panels of images."""

import io

import numpy as np
import pytest
from PIL import Image
from support.small_page import write_page

from vae_jax.artifacts.report.page import data_url

CAPTIONS = ("Samples", "Codes", "Curves")


def figure(panel: int) -> str:
    """Return a white picture whose middle is a panel of one grey."""
    pixels = np.full((60, 100), 255, np.uint8)
    pixels[15:45, 25:75] = panel
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return data_url("image/png", buffer.getvalue())


@pytest.fixture
def opened(page, tmp_path):
    def opened(scheme: str, width: int = 1024):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 760})
        parts = "".join(
            f'<figure><img src="{figure(200)}" alt="{caption}" loading="lazy"><figcaption>{caption}</figcaption></figure>'
            for caption in CAPTIONS
        )
        body = f'<div class="figures">{parts}</div>'
        data = {"boxes": [[[0.25, 0.25, 0.5, 0.5], [0.4, 0.4, 0.2, 0.2]], []]}  # nothing is known of the third figure
        page.goto(write_page(tmp_path / "page.html", body, ("figures.js",), data))
        return page

    return opened


def shades(page, locator) -> tuple[list[int], list[int]]:
    """Return the colours of a figure's panel and of its ground, as a person sees them."""
    picture = np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"))
    height, width = picture.shape[:2]
    return picture[height // 2, width // 2].tolist(), picture[height // 8, width // 2].tolist()


def test_a_dark_figure_has_the_colour_of_the_card_and_shows_its_images_as_they_are(opened):
    page = opened("light")
    for i in range(3):
        assert shades(page, page.locator(".figures .layers").nth(i)) == ([200] * 3, [255] * 3)
    page = opened("dark")
    card = page.evaluate("getComputedStyle(document.querySelector('.figures figure')).backgroundColor")
    card = [int(part) for part in card.removeprefix("rgb(").removesuffix(")").split(",")]
    panel, ground = shades(page, page.locator(".figures .layers").nth(0))
    assert panel == [200] * 3
    np.testing.assert_allclose(ground, card, atol=2)
    panel, ground = shades(page, page.locator(".figures .layers").nth(1))
    assert max(panel) < 100  # no boxes: all of it is inverted
    np.testing.assert_allclose(ground, card, atol=2)
    page.click(".enlarge >> nth=0")
    panel, ground = shades(page, page.locator("dialog .layers"))
    assert panel == [200] * 3
    np.testing.assert_allclose(ground, card, atol=2)
    assert page.content().count(figure(200)) < 2 * len(CAPTIONS) + 3  # the file itself holds each picture once


@pytest.mark.parametrize("width", [360, 1024, 1600])
def test_a_figure_is_enlarged_and_the_keyboard_leads_to_the_next_and_back(opened, width):
    page = opened("light", width)
    page.locator(".enlarge").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open] #lightbox-caption").text_content() == "Codes (2 of 3)"
    size = page.locator("dialog .layers").bounding_box()
    assert size["width"] == pytest.approx(min(200, width - 16), abs=1)  # twice its own size, if there is room
    assert size["width"] / size["height"] == pytest.approx(100 / 60, rel=0.02)
    page.keyboard.press("ArrowRight")
    assert page.locator("#lightbox-caption").text_content() == "Curves (3 of 3)"
    page.keyboard.press("ArrowRight")
    assert page.locator("#lightbox-caption").text_content() == "Samples (1 of 3)"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#lightbox-caption").text_content() == "Curves (3 of 3)"
    for button in page.locator("dialog button").all():
        assert min(button.bounding_box()["height"], button.bounding_box()["width"]) >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Enlarge: Codes"


def test_full_size_is_scrolled_and_a_click_beside_the_figure_closes_it(opened):
    page = opened("light")
    page.click(".enlarge >> nth=2")
    page.click("text=Full size")
    assert page.get_attribute("dialog [data-size]", "aria-pressed") == "true"
    page.focus(".lightbox-stage")
    page.keyboard.press("ArrowRight")  # scrolls
    assert page.locator("#lightbox-caption").text_content() == "Curves (3 of 3)"
    page.click("text=Full size")
    page.click(".lightbox-stage", position={"x": 12, "y": 200})
    assert page.locator("dialog[open]").count() == 0
