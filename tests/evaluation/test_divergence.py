"""The divergence of the aggregate posterior from the prior, against closed forms, and the lines about it."""

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.constructed import codes_of, exact, linear_gaussian, linear_images, normal, perfect, useless
from support.models import constructed_model

from vae_jax.evaluation import divergence
from vae_jax.evaluation.health.subject import Subject
from vae_jax.models.distributions import normal_log_prob, normal_sample
from vae_jax.types import Dataset, Draw, Posterior, Split

ERRORS = 4


def of(codes):
    return divergence.of_codes(constructed_model(), {}, codes)


def test_posteriors_that_are_the_prior_have_no_divergence_and_no_information():
    found = of(useless(300))
    np.testing.assert_allclose([*found.bracket[:2], found.kl], 0, atol=1e-5)
    assert not found.saturated
    assert found.lines[0] == (
        "aggregate posterior to prior: KL 0.00 ± 0.00 to 0.00 ± 0.00 nats of kl 0.00 (the rest, 0.00 to 0.00, is information "
        "about the images)"
    )


def test_two_separate_gaussians_have_their_closed_form():
    """q = (N(m, v) + N(-m, v)) / 2 with m far from 0 in one dimension of two: KL = sum (m^2 + v - 1 - log v) / 2 - log 2."""
    mean, variance = np.zeros((600, 2)), 0.1
    mean[:, 0] = 3 * (-1.0) ** np.arange(600)
    found = of(codes_of(np.random.default_rng(0).permutation(mean), variance))
    each = (variance - 1 - math.log(variance)) / 2
    truth = 9 / 2 + 2 * each - math.log(2)
    low, high, low_error, high_error = found.bracket
    assert low - ERRORS * low_error < truth < high + ERRORS * high_error
    assert high - low < 0.02
    assert found.kl - truth == pytest.approx(math.log(2), abs=1e-4)
    # A Gaussian with the same moments, variances 9 + v and v, against the prior; the entropy of q cancels.
    covariance = np.array([9 + variance, variance])
    gain = ((covariance - 1 - np.log(covariance)) / 2).sum()
    assert found.gaussian is not None
    assert abs(found.gaussian.value - gain) < ERRORS * found.gaussian.error
    assert found.gaussian.value < low
    assert found.lines[1].endswith("nats higher")


def test_the_gaussian_gain_is_negative_under_a_better_prior_and_bounds_saturated_codes():
    codes = exact(2000, 3, 0.5)
    own = codes._replace(log_prior=np.float32(normal(codes.z, np.full(3, 2.0), np.zeros(3))))
    for found, truth in ((of(codes), 0.0), (of(own), 3 * 2.0)):  # KL(N(0, I) || N(2, I)) = |2|^2 / 2 in each dimension
        assert found.gaussian is not None
        assert abs(found.gaussian.value - truth) < ERRORS * found.gaussian.error + 0.01
    narrow = of(perfect(400))
    assert narrow.saturated
    assert "; 400 images cannot show more than log 400 = 5.99 of it)" in narrow.lines[0]
    wide = of(codes_of(20.0 * np.random.default_rng(0).normal(size=(400, 8)), 0.1))  # far apart: each is alone
    assert wide.saturated
    assert wide.gaussian is not None
    assert wide.bracket.low == wide.gaussian.value > 100
    assert wide.bracket.low_error == wide.gaussian.error


def test_too_few_codes_and_codes_in_a_plane_have_no_gaussian():
    z = np.random.default_rng(0).normal(size=(40, 6))
    assert divergence.gaussian_gain(z, np.zeros(40)) is None
    assert divergence.gaussian_gain(z[:, :5], np.zeros(40)) is not None
    assert divergence.gaussian_gain(z[:, :2] @ np.array([[1.0, 0, 1], [0, 1, 0]]), np.zeros(40)) is None
    z = np.random.default_rng(0).normal(size=(80, 10))
    gain = divergence.gaussian_gain(z, normal(z, np.zeros(10), np.zeros(10)))
    assert gain is not None
    assert gain.value < -0.3, "a Gaussian that is fitted to the codes it is measured on would seem better than N(0, I)"
    manifold = constructed_model()._replace(traits=frozenset({"manifold"}))
    assert divergence.of_codes(manifold, {}, exact(50, 2, 0.5)).gaussian is None


def test_a_split_is_measured_and_its_numbers_can_be_stored():
    images = linear_images(300, 0)
    split = Split(images, np.zeros(300, np.int32))
    subject = Subject(linear_gaussian(), {}, Dataset(split, split, split), 0)
    found = divergence.of_split(subject)
    assert isinstance(found, divergence.Divergence)
    low, high, low_error, high_error = found.bracket
    assert low - ERRORS * low_error < 0.05
    assert high + ERRORS * high_error > 0, "the encoder is exact, so the aggregate posterior is the prior"
    assert high < 0.3
    assert json.loads(json.dumps(found.facts))["num_images"] == 300
    one = Split(images[:1], np.zeros(1, np.int32))
    assert divergence.of_split(subject._replace(dataset=Dataset(one, one, one))) == (
        "the test split has 1 images, and at least 2 are needed"
    )


class Other(NamedTuple):
    """A posterior whose densities only its model knows."""

    mean: Any
    logvar: Any


@pytest.mark.parametrize("known", [True, False])
def test_a_conditional_model_is_given_the_labels(known):
    plain = linear_gaussian()

    def given(labels):
        shift = 6.0 * labels[:, None]

        def encode(params, x, key=None):
            mean, logvar = plain.encode(params, x)
            return Posterior(mean + shift, logvar) if known else Other(mean, logvar)

        def log_posterior(params, q, z):
            return normal_log_prob(z, q.mean + shift, q.logvar).sum(axis=1)

        def reparameterize(params, key, q):
            z = q.mean + shift if key is None else normal_sample(key, q.mean + shift, q.logvar)
            return Draw(z, log_posterior(params, q, z))

        if known:
            return plain._replace(encode=encode)
        assert plain.rate is not None
        rate = plain.rate._replace(log_posterior=log_posterior)
        return plain._replace(encode=encode, reparameterize=reparameterize, rate=rate)

    labels = np.arange(200, dtype=np.int32) % 2
    split = Split(linear_images(200, 0), labels)
    subject = Subject(plain._replace(given=given), {}, Dataset(split, split, split), 0)
    found = divergence.of_split(subject)
    assert isinstance(found, divergence.Divergence)
    truth = 2 * 6**2 / 2 / 2 - np.log(2)  # N(0, I) and N(6, I) in two dimensions
    assert truth - 2 < found.bracket.low < found.bracket.high < truth + 2


def test_the_reasons_why_a_model_is_left_out():
    model = constructed_model()
    assert model.rate is not None
    assert divergence.obstacle(model) == ""
    assert divergence.obstacle(model._replace(traits=frozenset({"discrete"}))) == "its codes are discrete"
    draws_only = model._replace(rate=model.rate._replace(log_posterior=None))
    assert divergence.obstacle(draws_only) == "log q(z|x) is known for draws only"
    assert divergence.obstacle(model._replace(rate=None)) == "the model has no log p(z)"
