"""Whole reports on models whose every number is known."""

import math

import numpy as np
import pytest
from constructed import EXACT_VARIANCE, SIZE, linear_gaussian, linear_images, two_layers

from vae_jax.health import Anneal, Effort, Extent, Subject, examine, overall, verdicts
from vae_jax.health.examine import _drawn
from vae_jax.health.verdicts import CANNOT_TELL, COLLAPSED, HEALTHY
from vae_jax.models import make_model
from vae_jax.types import Dataset, InputError, Model, Split

COUNT = 1000
EXTENT = Extent(num_refined=50, effort=Effort(steps=60, starts=1, samples=50), anneal=Anneal(num_temperatures=200))


def dataset(count: int = COUNT) -> Dataset:
    train, val, test = (Split(linear_images(count, seed), np.zeros(count, np.int32)) for seed in (1, 2, 3))
    return Dataset(train, val, test)


def report(model: Model, data: Dataset, extent: Extent = EXTENT, **more):
    return {line.name: line for line in examine(Subject(model, {}, data, 0), extent, **more)}


def test_an_exact_model_is_healthy_and_its_numbers_are_the_closed_forms():
    found = report(linear_gaussian(), dataset())
    assert overall(list(found.values())).verdict == HEALTHY
    assert {name for name, line in found.items() if line.verdict != HEALTHY} == {"representation"}
    assert found["representation"].found == "the images have no labels"
    rate = found[verdicts.RATE].numbers
    truth = -0.5 * np.log(EXACT_VARIANCE).sum()
    assert rate["ceiling"] == pytest.approx(math.log(COUNT))
    assert rate["low"] - 4 * rate["low_error"] - 0.15 < truth < rate["high"] + 4 * rate["high_error"]
    assert abs(found[verdicts.AMORTISATION].numbers["test"]["nats"]) < 0.02
    bounds = found[verdicts.APPROXIMATION].numbers["bounds"]
    assert bounds["ais_200"] == pytest.approx(bounds["iwae_50"], abs=0.1)
    assert abs(found[verdicts.GAP].numbers["nats"]) < 4 * found[verdicts.GAP].numbers["error"]


def test_an_encoder_that_answers_with_the_prior_is_collapsed():
    found = report(linear_gaussian(signal=0.0), dataset(200))
    verdict = overall(list(found.values()))
    assert verdict.verdict.startswith(COLLAPSED)
    assert found[verdicts.UNITS].detail == f"all {SIZE} units"
    assert found[verdicts.RATE].verdict == COLLAPSED
    assert found[verdicts.DIVERGENCE].verdict == HEALTHY


@pytest.mark.slow
def test_a_model_of_two_layers_gets_every_line_but_the_moments():
    found = report(two_layers(), dataset())
    assert {name for name, line in found.items() if line.verdict == CANNOT_TELL} == {verdicts.MOMENTS, "representation"}
    assert found[verdicts.MOMENTS].found == "the prior is not N(0, I)"
    assert overall(list(found.values())).told == HEALTHY
    rate = found[verdicts.RATE].numbers
    truth = -0.5 * np.log(EXACT_VARIANCE).sum()  # z2 adds nothing that z1 does not say of the image
    assert rate["low"] - 4 * rate["low_error"] - 0.15 < truth < rate["high"] + 4 * rate["high_error"]
    assert len(found[verdicts.UNITS].numbers["kl_per_dimension"]) == 2 * SIZE


def test_a_model_without_a_prior_and_a_few_images_are_refused(make_config):
    model = make_model(make_config(model="ae", objective="reconstruction", likelihood="gaussian"), (4, 4, 1))
    with pytest.raises(InputError, match="no prior"):
        report(model, dataset(60))
    with pytest.raises(InputError, match=r"num_images=10, .*: of the train split 10 images .* at least 50"):
        report(linear_gaussian(), dataset(60), EXTENT._replace(num_images=10))


def test_grey_pixels_are_drawn_with_their_probability():
    images = np.repeat(np.array([0, 51, 204, 255], np.uint8), 1000).reshape(4, 10, 10, 10)
    drawn = _drawn(images, np.random.default_rng(0))
    assert set(np.unique(drawn)) == {0, 255}
    np.testing.assert_allclose(drawn.mean(axis=(1, 2, 3)) / 255, [0, 0.2, 0.8, 1], atol=4 * 0.4 / np.sqrt(1000))
