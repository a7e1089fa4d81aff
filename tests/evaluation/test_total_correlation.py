"""The exact total correlation of mixtures of Gaussians, against closed forms."""

import math

import numpy as np
import pytest
from support.constructed import codes_of, duplicated, exact, normal

from vae_jax.errors import InputError
from vae_jax.evaluation.total_correlation import of_mixture, total_correlation

VARIANCE = 0.3


def linear(count: int, slopes: np.ndarray):
    """Codes of an encoder with mean x A, x ~ N(0, I), so that q(z) is N(0, A^T A + v I) up to the number of images."""
    x = np.random.default_rng(2).normal(size=(count, len(slopes)))
    return codes_of(x @ slopes, VARIANCE)


def closed_form(slopes: np.ndarray) -> float:
    covariance = slopes.T @ slopes + VARIANCE * np.eye(slopes.shape[1])
    return 0.5 * (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1])


def test_a_linear_gaussian_encoder_has_the_total_correlation_of_its_gaussian():
    slopes = np.array([[1.0, 0.8, 0.0], [0.0, 0.4, -0.9]])
    found = total_correlation(linear(3000, slopes))
    assert closed_form(slopes) > 0.4
    assert abs(found.value - closed_form(slopes)) < 4 * found.error + 0.01
    assert 0.001 < found.error < 0.03


def test_independent_dimensions_have_none_and_duplicated_ones_have_much():
    found = total_correlation(exact(3000, 2, 0.5))
    assert abs(found.value) < 4 * found.error + 0.01
    twice = total_correlation(duplicated(2000, 0.1))
    assert abs(twice.value - -0.5 * math.log(1 - 0.9**2)) < 4 * twice.error + 0.03


def test_a_product_of_two_mixtures_has_none_whatever_their_shape():
    first, second = np.meshgrid([-3.0, 0.0, 5.0], [-1.0, 4.0])
    mean = np.tile(np.stack([first.ravel(), second.ravel()], axis=1), (200, 1))
    codes = codes_of(mean, np.array([0.1, 2.0]))
    assert abs(total_correlation(codes).value) < 1e-5


def test_the_densities_are_those_of_a_loop_over_all_posteriors():
    rng = np.random.default_rng(0)
    mean, logvar = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)) - 2
    z = mean + np.exp(logvar / 2) * rng.normal(size=(7, 3))

    def log_q(columns):
        rows = [normal(z[i, columns][None], mean[:, columns], logvar[:, columns]) for i in range(7)]
        return np.log(np.exp(rows).mean(axis=1))

    ratios = log_q([0, 1, 2]) - sum(log_q([k]) for k in range(3))
    found = of_mixture(z, mean, logvar)
    np.testing.assert_allclose(found.value, ratios.mean(), rtol=1e-9)
    np.testing.assert_allclose(found.error, ratios.std(ddof=1) / math.sqrt(7), rtol=1e-9)


def test_other_posteriors_and_a_single_image_are_refused():
    codes = exact(10, 2, 0.5)
    for few in (codes.first(1), codes._replace(posterior=codes.posterior.mean)):
        with pytest.raises(InputError, match="needs diagonal Gaussian posteriors"):
            total_correlation(few)
