"""The page of a conditional run in a browser: points are decoded with the class that the switch shows."""

import numpy as np
import pytest
from support.explorer_page import Explorer, draw

from vae_jax import data, load_run, train


@pytest.fixture(scope="module")
def run(make_config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("conditional") / "run"
    train.train_and_evaluate(make_config(condition="label", latent_dim=2, num_epochs=2), workdir)
    return load_run(workdir)


@pytest.mark.slow
def test_the_switch_of_classes_decides_what_is_decoded_and_follows_the_chosen_image(page, run):
    there, dataset = Explorer(page, run), data.load(run.config)

    def shows(z, label):
        np.testing.assert_allclose(there.pixels(), run.decode(np.asarray(z, np.float32)[None], label)[0], atol=0.01)

    assert page.locator("h1").inner_text() == "Conditional variational autoencoder on digits"
    assert page.locator("#class-choice option").all_inner_texts() == list(run.class_names)
    place = there.typical()
    shows(there.code(place), int(dataset.test.labels[there.content()["points"]["rows"][place]]))
    there.open("at=centre&class=0")
    shows([0, 0], 0)
    there.set("#class-choice", 7)
    shows([0, 0], 7)
    assert there.state()["class"] == "7"
    there.open("at=centre&class=4&image=1")
    shows([0, 0], 4)
    there.click("#next")
    row = there.content()["points"]["rows"][1]
    label = int(dataset.test.labels[row])
    assert page.locator("#class-choice").input_value() == str(label)
    shows(run.latents(dataset.test.images[row : row + 1], label)[0], label)
    there.click("#tab-draw")
    page.uncheck("#frame")
    there.set("#class-choice", 3)
    draw(there, dataset.test.images[row, :, :, 0] / 255)
    seen = there.pixels("seen")[None].astype(np.float32)
    shows(run.latents(seen, 3)[0], 3)
    there.set("#class-choice", 8)
    shows(run.latents(seen, 8)[0], 8)
