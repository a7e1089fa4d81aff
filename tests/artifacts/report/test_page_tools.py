"""The tools of the page: sliders, samples, files, downloads and links; the codes of a model with a codebook."""

import json

import numpy as np
import pytest
from PIL import Image
from support.explorer_page import SHADE, drop, png

from vae_jax import data


def test_sliders_take_typed_values_and_a_double_click_returns_to_the_middle(explorer):
    there = explorer("deep", "at=centre")
    first = there.content()["dimensions"][0]["index"]
    there.page.fill("#sliders .slider:first-child input[type=number]", "-1.25")
    there.page.keyboard.press("Enter")
    there.settle()
    assert there.z()[first] == pytest.approx(-1.25)
    expected = np.zeros(30)
    expected[first] = -1.25
    there.shows(expected)
    there.page.dblclick("#sliders .slider:first-child input[type=range]")
    there.settle()
    assert there.state()["at"] == "centre"


def test_sliders_are_in_the_order_of_kl_with_a_bar_and_the_decoded_ends(explorer):
    there = explorer("plane")
    kl = [one["kl"] for one in there.content()["dimensions"]]
    assert kl == sorted(kl, reverse=True)
    shares = there.page.eval_on_selector_all(".slider .kl", "all => all.map(e => +e.style.getPropertyValue('--share'))")
    np.testing.assert_allclose(shares, np.array(kl) / max(kl), atol=1e-6)
    there.page.wait_for_timeout(600)
    z, reach = there.code(there.at()).copy(), there.content()["reach"]
    index = there.content()["dimensions"][1]["index"]
    for end, value in ((0, -reach), (1, reach)):
        z[index] = value
        there.page.eval_on_selector_all(".slider:nth-child(2) .end", f"all => all[{end}].id = 'end-under-test'")
        np.testing.assert_allclose(there.pixels("end-under-test"), there.run.decode(z[None])[0], atol=SHADE)
        there.page.evaluate("document.getElementById('end-under-test').removeAttribute('id')")


def test_samples_are_drawn_from_the_prior_and_lead_to_their_point(explorer):
    there = explorer("deep", "tool=samples")
    assert there.page.locator("#samples button").count() == 24
    there.click("#samples button:nth-child(5)")
    there.page.eval_on_selector("#samples button:nth-child(5) canvas", "e => e.id = 'sample-under-test'")
    np.testing.assert_allclose(there.pixels("sample-under-test"), there.pixels("decoded"), atol=SHADE)
    assert 0.3 < there.z().std() < 2
    there.shows(there.z())
    before = there.z()
    there.click("#sample-again")
    there.click("#samples button:nth-child(5)")
    assert np.abs(there.z() - before).max() > 0.1


def test_samples_of_a_learned_prior_are_its_own_draws(explorer):
    there = explorer("mixture", "tool=samples")
    there.click("#samples button:nth-child(1)")
    drawn = there.run.sample_prior(500, there.run.config.seed)
    assert np.abs(drawn - there.z()).max(axis=1).min() < 1e-3
    assert there.page.locator("#reset").text_content() == "Origin (z = 0)"


def test_samples_of_a_conditional_model_have_the_chosen_class_or_all(explorer):
    there = explorer("conditional", "tool=samples&class=4")
    there.click("#samples button:nth-child(2)")
    z = there.z()
    np.testing.assert_allclose(there.pixels(), there.run.decode(z[None], 4)[0], atol=0.01)
    there.set("#class-choice", 7)
    there.page.eval_on_selector("#samples button:nth-child(2) canvas", "e => e.id = 'sample-under-test'")
    np.testing.assert_allclose(there.pixels("sample-under-test"), there.run.decode(z[None], 7)[0], atol=0.01)
    there.page.check("#each-class")
    there.settle()
    assert there.page.locator("#samples .row-name").all_text_contents() == list(there.run.class_names)
    there.page.focus("#samples button >> nth=13")  # rows of six: class 2, its second draw
    there.page.keyboard.press("Enter")
    there.settle()
    assert "class 2" in there.page.evaluate("document.activeElement.getAttribute('aria-label')")  # the focus is kept
    np.testing.assert_allclose(there.z(), z, atol=1e-3)
    assert there.page.locator("#class-choice").input_value() == "2"


def test_an_autoencoder_has_no_samples(explorer):
    there = explorer("ae")
    assert there.page.locator("#tab-samples, #sample").count() == 0
    assert there.page.locator("#reset").text_content() == "Mean code"


def test_a_dropped_image_is_encoded_as_it_is(explorer):
    there = explorer("plane")
    image = data.load(there.run.config).test.images[5]
    there.click("#tab-draw")
    there.page.uncheck("#frame")
    told = drop(there, "five.png", png(image[..., 0]))
    assert told == "five.png: taken as it is."
    np.testing.assert_allclose(there.pixels("seen"), image / 255, atol=2 * SHADE)
    there.shows(there.run.encode(there.pixels("seen")[None].astype(np.float32)).mean[0])
    assert there.page.locator("#original-title").text_content() == "Your image"


def test_a_dropped_image_that_is_placed_like_the_data_is_said_to_be(explorer):
    there = explorer("plane")
    image = data.load(there.run.config).test.images[5]
    assert drop(there, "five.png", png(image[..., 0])) == "five.png: centred and scaled like the data."


def test_an_empty_pad_is_not_encoded(explorer):
    there = explorer("plane", "tool=draw&at=20&image=20")
    there.page.uncheck("#frame")
    there.settle()
    assert there.state()["at"] == "20"


def test_a_dropped_photograph_is_resized_made_grey_and_inverted_and_the_page_says_so(explorer):
    there = explorer("plane")
    paper = np.full((90, 60, 3), 240, np.uint8)
    paper[20:70, 25:35] = (20, 20, 120)
    told = drop(there, "photo.png", png(paper))
    assert told.startswith("photo.png: resized from 60 x 90 to 8 x 8 pixels; its colours made grey; centred")
    assert "; inverted" in told
    assert there.page.locator("#panel-draw").is_visible()
    seen = there.pixels("seen")
    assert seen[0, 0, 0] < 0.2
    assert seen.max() > 0.5
    there.shows(there.run.encode(seen[None].astype(np.float32)).mean[0])


def test_a_dropped_file_that_is_no_image_changes_nothing_but_the_message(explorer):
    there = explorer("plane")
    before = there.pixels()
    told = drop(there, "notes.txt", list(b"hello"), "text/plain")
    assert told == "notes.txt is not an image that this browser can read; choose a PNG, JPEG, WebP or GIF file."
    np.testing.assert_array_equal(there.pixels(), before)


def test_the_point_and_its_image_can_be_downloaded(explorer, tmp_path):
    there = explorer("deep")
    with there.page.expect_download() as download:
        there.page.click("#save-z")
    download.value.save_as(tmp_path / "z.txt")
    np.testing.assert_allclose(np.loadtxt(tmp_path / "z.txt"), there.code(there.at()), atol=1e-4)
    with there.page.expect_download() as download:
        there.page.click("#save-image")
    download.value.save_as(tmp_path / "decoded.png")
    pixels = np.asarray(Image.open(tmp_path / "decoded.png").convert("RGB"))[..., :1] / 255
    np.testing.assert_allclose(pixels, there.pixels(), atol=SHADE)


def test_every_suggestion_leads_to_a_view(explorer):
    there = explorer("deep")
    links = there.page.eval_on_selector_all("#try a", "all => all.map(e => e.getAttribute('href'))")
    assert len(links) >= 6
    start = there.pixels()
    worst = there.page.locator("#try a", has_text="worst").get_attribute("href")
    for link in links:
        there.page.click(f'#try a[href="{link}"]')
        there.settle()
        assert set(there.state()) & {"tool", "decoded", "plane", "film", "at"}, link
        if link == worst:
            test = data.load(there.run.config).test
            errors = np.square(there.run.reconstruct(test.images) - test.images / 255).mean(axis=(1, 2, 3))
            rows = there.content()["points"]["rows"]
            assert there.at() == errors[rows].argmax()
            assert np.abs(there.pixels() - start).max() > 0.02


def test_a_map_of_codes_is_drawn_for_each_level_and_no_two_levels_share_a_colour(page, trained):
    page.goto((trained("residual").workdir / "report.html").as_uri())
    page.wait_for_selector("#code-maps figure")
    assert "of 16 codes of 2 levels are used" in page.locator("#codes").inner_text()
    assert "1 x 4 x 2 codes" in page.locator("#codes").inner_text()
    maps = page.evaluate("JSON.parse(document.getElementById('data').textContent).codebook.maps[0]")
    canvases = page.locator("#code-maps figure").first.locator("canvas")
    labels = [one.get_attribute("aria-label") for one in canvases.all()]
    codes = [" ".join(map(str, row)) for row in (maps[0][0], maps[1][0])]
    assert labels[1:3] == [f"codes of level {r + 1} of test image 1: {codes[r]}" for r in range(2)]
    assert len(labels) == 4
    tops = [one.bounding_box()["y"] for one in canvases.all()]
    assert max(tops) - min(tops) < 1, "they are in one row"
    colours = [
        one.evaluate(
            """c => { const [n, side] = [c.width / c.height, c.height];
            return [...Array(n).keys()].map((i) => [...c.getContext('2d').getImageData(i * side + 1, 1, 1, 1).data].join()); }"""
        )
        for one in canvases.all()[1:3]
    ]
    assert not set(colours[0]) & set(colours[1])
    assert [len(set(row)) for row in colours] == [len(set(level[0])) for level in maps]


def test_the_codes_of_a_quantized_model_are_shown_with_their_usage(page, trained):
    run = trained("quantized")
    page.goto((run.workdir / "report.html").as_uri())
    page.wait_for_selector("#code-maps figure")
    assert page.locator("#grid").is_visible()
    content = page.evaluate("JSON.parse(document.getElementById('data').textContent).codebook")
    results = json.loads((run.workdir / "results.json").read_text())
    assert content["counts"] == results["codes"]["counts"]
    assert page.locator("#code-maps figure").count() == len(content["maps"])
    inked = page.evaluate(
        """() => { const c = document.getElementById('usage'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return d.filter((v, i) => i % 4 === 3 && v > 0).length / c.width / c.height; }"""
    )
    used = np.sort(content["counts"])[::-1]
    assert inked == pytest.approx((used / used[0]).mean(), abs=0.15)
