"""The page of models whose posterior is no diagonal Gaussian: on a sphere, or by more than a list of layers."""

import numpy as np
import pytest
from support.explorer_page import Explorer, draw
from support.random_run import random_run

from vae_jax import data
from vae_jax.artifacts.report.run_page import write_report


@pytest.fixture
def changed(page, trained, tmp_path):
    """Open the page of a trained run with another posterior in its place, whose parameters are random."""

    def opened(posterior, state=""):
        run = trained("plane")
        other = random_run(run.shape, posterior=posterior, latent_dim=2)
        other.spec = run.spec
        write_report(other, data.load(run.config), run.workdir, tmp_path / "report.html")
        other.workdir = tmp_path
        return Explorer(page, other, state)

    return opened


def test_a_page_without_an_encoder_says_that_images_of_ones_own_cannot_be_drawn(changed):
    there = changed("planar", f"tool=draw&drawing={86 * 'A'}")
    assert there.page.locator("#no-encoder").is_visible()
    assert there.page.locator("#tab-draw, #pad").count() == 0
    assert "draw by hand" not in there.page.locator("#try").text_content()
    assert there.page.locator("#panel-dimensions").is_visible()
    there.shows(there.code(there.at()))
    there.click("#sample")
    there.shows(there.z())
    there.click("#tab-samples")
    assert there.page.locator("#samples button").count() == 24
    there.open("at=centre")
    there.shows(np.zeros(2))


def test_a_page_of_a_sphere_starts_at_the_mean_code_and_reaches_no_further_than_the_codes(changed):
    there = changed("power_spherical", "at=centre")
    content = there.content()
    codes = there.run.latents(data.load(there.run.config).test.images[content["points"]["rows"]])
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(content["start"], codes.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert 0.9 < content["reach"] <= 1
    assert there.page.locator("#reset").text_content() == "Mean code"
    there.shows(codes.mean(axis=0))
    assert "density under the prior" not in [one["name"] for one in content["colourings"]]  # it is the same everywhere
    there.click("#sample")
    assert np.linalg.norm(there.z()) == pytest.approx(1, abs=1e-3)
    there.shows(there.z())
    assert (content["network"]["with_prior"], content["network"]["with_logvar"]) == (True, False)
    assert there.page.locator("#no-encoder").count() == 0


def test_a_drawing_on_a_page_of_a_sphere_goes_to_its_noise_free_z(changed):
    there = changed("power_spherical", "tool=draw")
    assert "spread" not in there.page.locator("#panel-draw .hint").first.text_content()
    image = data.load(there.run.config).test.images[0, :, :, 0] / 255
    there.page.uncheck("#frame")
    draw(there, image)
    seen = there.pixels("seen").astype(np.float32)[None]
    there.shows(there.run.latents(seen)[0])
    assert "drawing" in there.state()
