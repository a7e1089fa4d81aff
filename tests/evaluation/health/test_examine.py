"""Whole reports on models with known numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.constructed import EXACT_VARIANCE, SIZE, linear_gaussian, linear_images, two_layers

from vae_jax.errors import InputError
from vae_jax.evaluation.health import Anneal, Effort, Extent, Subject, examine, overall, verdicts, work
from vae_jax.evaluation.health.codes import make_draw_codes
from vae_jax.evaluation.health.refinement import Speed
from vae_jax.evaluation.health.subject import draw_binary, encode_split, key_of
from vae_jax.evaluation.health.verdicts import COLLAPSED, HEALTHY, UNDECIDED
from vae_jax.models import make_model
from vae_jax.randomness import epoch_order, keys_of
from vae_jax.types import Dataset, Model, Posterior, Spec, Split

COUNT = 1000
EXTENT = Extent(num_refined=50, effort=Effort(steps=60, starts=1, samples=50), anneal=Anneal(num_temperatures=200))


def dataset(count: int = COUNT) -> Dataset:
    train, val, test = (Split(linear_images(count, seed), np.zeros(count, np.int32)) for seed in (1, 2, 3))
    return Dataset(train, val, test)


def report(model: Model, data: Dataset, extent: Extent = EXTENT, **more):
    return {line.name: line for line in examine(Subject(model, {}, data, 0), extent, **more)}


def test_an_exact_model_is_healthy_and_its_numbers_agree_with_closed_forms():
    found = report(linear_gaussian(), dataset())
    assert overall(list(found.values())).verdict == HEALTHY
    assert {name for name, line in found.items() if line.verdict != HEALTHY} == {"representation"}
    assert found["representation"].measured.startswith("the images have no labels")
    rate = found[verdicts.RATE].numbers
    truth = -0.5 * np.log(EXACT_VARIANCE).sum()
    assert rate["ceiling"] == pytest.approx(math.log(COUNT))
    assert rate["low"] - 4 * rate["low_error"] - 0.15 < truth < rate["high"] + 4 * rate["high_error"]
    assert abs(found[verdicts.AMORTISATION].numbers["test"]["nats"]) < 0.02
    bounds = found[verdicts.APPROXIMATION].numbers["bounds"]
    assert bounds["ais_200"] == pytest.approx(bounds["iwae_50"], abs=0.1)
    assert abs(found[verdicts.GAP].numbers["nats"]) < 4 * found[verdicts.GAP].numbers["error"]


def test_an_encoder_that_returns_the_prior_is_collapsed():
    found = report(linear_gaussian(signal=0.0), dataset(200))
    verdict = overall(list(found.values()))
    assert verdict.verdict.startswith(COLLAPSED)
    assert found[verdicts.UNITS].detail.startswith(f"all {SIZE} units: the decoder ignores z")
    assert found[verdicts.RATE].verdict == COLLAPSED
    assert found[verdicts.DIVERGENCE].verdict == HEALTHY


@pytest.mark.slow
def test_a_two_layer_model_gets_every_line_except_the_moments():
    found = report(two_layers(), dataset())
    assert {name for name, line in found.items() if line.verdict == UNDECIDED} == {verdicts.MOMENTS, "representation"}
    assert found[verdicts.MOMENTS].measured == "the prior is not N(0, I)"
    assert overall(list(found.values())).conclusion == HEALTHY
    rate = found[verdicts.RATE].numbers
    truth = -0.5 * np.log(EXACT_VARIANCE).sum()  # z2 adds no information on the image to that of z1
    assert rate["low"] - 4 * rate["low_error"] - 0.15 < truth < rate["high"] + 4 * rate["high_error"]
    assert len(found[verdicts.UNITS].numbers["kl_per_dimension"]) == 2 * SIZE


def test_a_model_without_a_prior_and_too_few_images_are_refused(make_config):
    model = make_model(make_config(model="ae", objective="reconstruction", likelihood="gaussian"), Spec((4, 4, 1)))
    with pytest.raises(InputError, match="no prior"):
        report(model, dataset(60))
    with pytest.raises(InputError, match=r"num_images=10, .*: the train split gives 10 images; at least 50"):
        report(linear_gaussian(), dataset(60), EXTENT._replace(num_images=10))


def marked(data: Dataset) -> Dataset:
    """Return the data with test images marked by their first pixel, which hardly depends on z."""
    for split, value in ((data.train, 128), (data.test, 255)):
        split.images[:, 0, 0, 0] = value
    return data


@pytest.mark.slow
def test_errors_on_test_images_only_are_attributed_to_the_test_split(monkeypatch):
    """The encoder shifts the means of test images by half a unit; the decoder cannot explain their first pixel."""
    right, wrong = linear_gaussian(), linear_gaussian(0.5)

    def encode(params, x, key=None):
        of_test = x[:, :1, 0, 0] > 0.9
        posteriors = zip(wrong.encode(params, x), right.encode(params, x), strict=True)
        return Posterior(*(jnp.where(of_test, shifted, plain) for shifted, plain in posteriors))

    found = report(right._replace(encode=encode), marked(dataset(200)))
    lost = 0.5 * (0.25 / EXACT_VARIANCE).sum()
    amortisation = found[verdicts.AMORTISATION].numbers
    assert amortisation["test"]["nats"] == pytest.approx(lost, rel=0.1)
    assert amortisation["train"]["nats"] == pytest.approx(0, abs=0.1)
    assert found[verdicts.REFINED_GAP].numbers["encoder"]["nats"] == pytest.approx(lost, rel=0.1)
    assert found[verdicts.REFINED_GAP].numbers["decoder"]["nats"] > 10
    assert found[verdicts.GAP].numbers["nats"] > lost + 10


def test_images_without_a_finite_code_are_counted():
    def encode(params, x, key=None):
        mean, logvar = linear_gaussian().encode(params, x)
        return Posterior(jnp.where(x[:, :1, 0, 0] > 0.9, jnp.nan, mean), logvar)

    with pytest.raises(InputError, match="the codes of 200 of 200 test images are not finite"):
        report(linear_gaussian()._replace(encode=encode), marked(dataset(200)))


def test_training_images_of_a_dynamic_run_are_binarised_like_test_images():
    subject = Subject(linear_gaussian(), {}, dataset(100), 0, "dynamic")
    seen = encode_split(subject, make_draw_codes(subject.model), "train", 50, 0).images
    assert set(np.unique(seen)) == {0, 255}
    grey = encode_split(subject._replace(binarize="none"), make_draw_codes(subject.model), "train", 50, 0).images
    assert len(np.unique(grey)) > 2
    assert seen.mean() == pytest.approx(grey.mean(), rel=0.1)


def test_health_uses_other_random_draws_than_the_run():
    """The run uses the keys fold_in(key(seed), 0 to 2), and default_rng([seed, epoch]) for the order of an epoch."""
    subject = Subject(linear_gaussian(), {}, dataset(100), 7)
    own = [jax.random.key_data(key_of(subject, number)).tolist() for number in range(6)]
    assert not [key for key in keys_of(7) if jax.random.key_data(key).tolist() in own]
    seen = encode_split(subject, make_draw_codes(subject.model), "train", 100, 0).images
    assert not np.array_equal(seen, subject.dataset.train.images[epoch_order(7, 0, 100, 100)[0]])


@pytest.mark.slow
def test_bounds_on_grey_pixels_have_the_prefix_grey():
    subject = Subject(linear_gaussian(), {}, dataset(200), 0, prefix="grey_")
    (line,) = [line for line in examine(subject, EXTENT) if line.name == verdicts.APPROXIMATION]
    assert {name.split("_")[0] for name in line.numbers["bounds"]} == {"grey"}
    assert "(grey_" in line.measured


def test_grey_pixels_are_the_probabilities_of_binarised_pixels():
    images = np.repeat(np.array([0, 51, 204, 255], np.uint8), 1000).reshape(4, 10, 10, 10)
    drawn = draw_binary(images, np.random.default_rng(0))
    assert set(np.unique(drawn)) == {0, 255}
    np.testing.assert_allclose(drawn.mean(axis=(1, 2, 3)) / 255, [0, 0.2, 0.8, 1], atol=4 * 0.4 / np.sqrt(1000))


@pytest.mark.slow
def test_the_time_is_estimated_before_the_first_line_and_the_progress_never_goes_back():
    seen = []
    extent = EXTENT._replace(anneal=Anneal(num_temperatures=5), effort=Effort(steps=30, samples=20))
    subject = Subject(linear_gaussian(), {}, dataset(60), 0)
    found = examine(subject, extent, lambda seconds: seen.append(("begin", seconds)), lambda *at: seen.append(at))
    seen += [("line", line.name) for line in found]
    kinds = [name for name, _ in seen]
    assert kinds.index("begin") == 0
    assert kinds.count("begin") == 1
    assert seen[0][1] > 0
    shares = [share for name, share in seen if name not in ("begin", "line")]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.5 < shares[-1] <= 1
    assert list(dict.fromkeys(name for name in kinds if name not in ("begin", "line"))) == list(work.PARTS)


def test_the_estimated_time_follows_from_the_passes_and_the_speed(monkeypatch):
    monkeypatch.setattr(work, "reference_seconds", lambda: 2 * work.REFERENCE)  # a machine half as fast
    amount, speed = work.Amount(0, {work.REFINING: 1000.0, work.ANNEALING: 500.0}), Speed(0.5, 0.002)
    found = work.estimate(amount, speed)
    for part, passes in ((work.REFINING, 1000), (work.ANNEALING, 500), (work.CODES, 0)):
        expected = 0.5 * work.COMPILATIONS[part] + 2 * work.FIXED[part] + 0.002 * passes
        assert found[part] == pytest.approx(expected)
    more = work.estimate(amount._replace(num_images=1000), speed)
    assert more[work.CODES] - found[work.CODES] == pytest.approx(2 * work.PER_1000_IMAGES[work.CODES])
