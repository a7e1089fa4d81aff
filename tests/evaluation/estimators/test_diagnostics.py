"""Diagnostics of importance weights, on weights with known answers."""

import math

import numpy as np
import pytest
from scipy import stats

from vae_jax.evaluation.estimators import curve_sizes, estimate, log_mean, pareto_k, trusted
from vae_jax.evaluation.estimators import diagnostics as room


def lognormal(count: int, num_samples: int, deviation: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, deviation, (count, num_samples)) - deviation**2 / 2


def test_the_mean_is_right_for_zero_weights_and_weights_of_very_different_size():
    rows = np.array([[-np.inf, -np.inf, -np.inf], [-1000, 500, -1000], [3, 3, -np.inf]])
    np.testing.assert_allclose(log_mean(rows), [-np.inf, 500 - math.log(3), 3 + math.log(2 / 3)], rtol=1e-12)
    found = estimate(rows)
    assert found.error[0] == np.inf
    assert found.ess[0] == 0
    np.testing.assert_allclose(found.ess[1:], [1, 2])
    np.testing.assert_allclose(found.largest[1:], [1, 0.5])


@pytest.mark.parametrize("deviation", [0.3, 1.0])
def test_the_error_is_the_deviation_of_repeated_estimates_and_the_ess_follows_its_formula(deviation):
    found = estimate(lognormal(400, 1000, deviation))
    assert found.log_p.std() == pytest.approx(found.error.mean(), rel=0.15)
    assert abs(found.log_p.mean()) < 4 * found.log_p.std() / math.sqrt(400) + found.error.mean() ** 2
    assert found.ess.mean() == pytest.approx(1000 / math.exp(deviation**2), rel=0.05)


@pytest.mark.parametrize("sizes", [(1, (1,)), (7, (1, 7)), (10, (1, 10)), (5000, (1, 10, 100, 1000, 5000))])
def test_every_size_of_the_curve_divides_the_next(sizes):
    assert curve_sizes(sizes[0]) == sizes[1]
    assert curve_sizes(2500) == (1, 10, 100, 2500)


def test_the_curve_uses_the_same_weights_and_never_decreases_for_any_image():
    values = lognormal(50, 1000, 2.5)
    found = estimate(values)
    np.testing.assert_allclose(found.curve[:, 0], values.mean(axis=1))
    np.testing.assert_allclose(found.curve[:, -1], found.log_p)
    by_hand = np.log(np.exp(values).reshape(50, 10, 100).mean(axis=2)).mean(axis=1)
    np.testing.assert_allclose(found.curve[:, 2], by_hand)
    assert (np.diff(found.curve, axis=1) >= -1e-12).all()


@pytest.mark.parametrize("shape", [-0.2, 0.3, 0.7, 1.5])
def test_the_shape_of_the_tail_is_recovered(shape):
    weights = stats.genpareto(shape).rvs((100, 5000), random_state=np.random.default_rng(1))
    k = pareto_k(np.log(weights))
    assert abs(k.mean() - shape) < 0.1
    np.testing.assert_allclose(pareto_k(np.log(weights) + 700), k)


def published_k(weights: np.ndarray) -> float:
    """Return k of the largest weights, `weights`, over their cutoff: Vehtari et al. (2024), appendix G, as a plain loop."""
    x = np.sort(weights)
    n = len(x)
    m = 30 + math.floor(math.sqrt(n))
    quartile = x[math.floor(n / 4 + 0.5) - 1]
    thetas = [1 / x[-1] + (1 - math.sqrt(m / (j - 0.5))) / (3 * quartile) for j in range(1, m + 1)]
    ks = [sum(math.log1p(-theta * value) for value in x) / n for theta in thetas]
    likelihoods = [n * (math.log(-theta / k) - k - 1) for theta, k in zip(thetas, ks, strict=True)]
    posterior = [1 / sum(math.exp(other - own) for other in likelihoods) for own in likelihoods]
    theta = sum(t * w for t, w in zip(thetas, posterior, strict=True))
    k = sum(math.log1p(-theta * value) for value in x) / n
    return (k * n + 0.5 * 10) / (n + 10)


@pytest.mark.parametrize(("num_samples", "tail"), [(50, 10), (5000, 212)])
def test_the_fit_agrees_with_the_published_algorithm(num_samples, tail):
    values = lognormal(3, num_samples, 1.5)
    ordered = np.sort(np.exp(values), axis=1)
    wanted = [published_k(row[-tail:] - row[-tail - 1]) for row in ordered]
    np.testing.assert_allclose(pareto_k(values), wanted, rtol=1e-9)


def test_trusted_estimates_need_a_light_tail_and_enough_effective_samples():
    samples = 5000
    assert trusted(estimate(lognormal(100, samples, 0.5)), samples).all()
    assert trusted(estimate(np.zeros((3, samples))), samples).all()
    assert not trusted(estimate(lognormal(100, samples, 4.0)), samples).any()
    assert not trusted(estimate(lognormal(100, room.ENOUGH - 1, 0.1)), room.ENOUGH - 1).any()
    heavy = np.log(stats.genpareto(0.95).rvs((100, samples), random_state=np.random.default_rng(1)))
    assert trusted(estimate(heavy), samples).mean() < 0.2
    assert np.isnan(pareto_k(np.zeros((2, 10)))).all()


@pytest.mark.parametrize(("mean", "deviation"), [(-90.0, 1e-5), (-90.0, 1e-4), (-6000.0, 3e-3), (0.0, 1e-7)])
def test_float32_rounding_of_an_exact_posterior_is_not_a_heavy_tail(mean, deviation):
    """Many of the largest weights are equal, so that the excess over the cutoff is 0 or a rounding step."""
    rounded = (mean + np.random.default_rng(0).normal(0, deviation, (50, 5000))).astype(np.float32)
    assert trusted(estimate(rounded), 5000).all()


def test_ten_samples_are_too_few_for_a_diagnosis():
    assert not trusted(estimate(np.zeros((2, 10))), 10).any()
