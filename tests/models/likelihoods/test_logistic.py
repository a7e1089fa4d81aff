"""Tests against float64 differences of the distribution function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from support.models import SPEC

from vae_jax.models.distributions import discretized_logistic_log_prob
from vae_jax.models.likelihoods import make_likelihood

CASES = [(0.3, -3.0), (0.5, -5.0), (-0.4, -5.0), (1.7, -2.0), (0.0, 4.0), (4.0, -4.0)]


def exact(level, mean, log_scale):
    """Return the log-mass of a bin in float64: a difference of distribution functions, on the side where both are small."""
    scale = np.exp(np.float64(np.float32(log_scale)))
    low = (level - 0.5) / 255 if level > 0 else -np.inf
    high = (level + 0.5) / 255 if level < 255 else np.inf
    low, high = sorted([-abs((low - mean) / scale), -abs((high - mean) / scale)]) if low > mean else (
        (low - mean) / scale, (high - mean) / scale
    )  # fmt: skip
    return float(np.log(scipy.special.expit(high) - scipy.special.expit(low)))


@pytest.mark.parametrize(("mean", "log_scale"), CASES)
def test_masses_are_exact_in_the_centre_and_in_the_far_tails(mean, log_scale):
    level = np.array([0, 1, 77, 128, 254, 255])
    x = jnp.float32(level / 255)
    log_prob, vjp = jax.vjp(lambda *a: discretized_logistic_log_prob(x, *a), jnp.full(6, mean), jnp.full(6, log_scale))
    mean_slope, scale_slope = vjp(jnp.ones(6))
    mean, h = np.float64(np.float32(mean)), 1e-4
    for i in range(6):
        assert log_prob[i] == pytest.approx(exact(level[i], mean, log_scale), rel=1e-5, abs=1e-5)
        slope = (exact(level[i], mean + h, log_scale) - exact(level[i], mean - h, log_scale)) / (2 * h)
        assert mean_slope[i] == pytest.approx(slope, rel=1e-2, abs=1e-3)
        slope = (exact(level[i], mean, log_scale + 1e-3) - exact(level[i], mean, log_scale - 1e-3)) / 2e-3
        assert scale_slope[i] == pytest.approx(slope, rel=1e-2, abs=1e-3)


def test_a_mass_that_underflows_has_a_finite_logarithm():
    """Far from the mean the tail is exp(-distance / scale), and the mass of a bin is 1 - exp(-width / scale) times that."""
    scale, far = np.exp(-8.0), 100.0 - 128.5 / 255
    expected = -far / scale + np.log1p(-np.exp(-1 / (255 * scale)))
    found = discretized_logistic_log_prob(jnp.float32(128 / 255), jnp.float32(100.0), jnp.float32(-8.0))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("mean", "log_scale"), CASES)
def test_the_256_masses_sum_to_one_for_any_mean(mean, log_scale):
    x = jnp.arange(256) / jnp.float32(255)
    log_prob = discretized_logistic_log_prob(x, jnp.full_like(x, mean), jnp.full_like(x, log_scale))
    assert np.exp(np.float64(log_prob)).sum() == pytest.approx(1, abs=1e-5)


def test_every_level_of_an_8_bit_image_gets_its_own_bin():
    x = jnp.arange(256, dtype=jnp.uint8).astype(jnp.float32) / 255
    log_prob = discretized_logistic_log_prob(x, x, jnp.full_like(x, -8.0))
    assert (np.exp(log_prob) > 0.99).all()


@pytest.mark.parametrize(
    ("mean", "log_scale"), [(0.3, -5.5), (0.02, -4.0), (-0.5, -1.0), (0.7, 0.0), (1.3, -2.0), (0.4, 4.0)]
)
def test_pixel_mean_is_the_mean_over_the_levels(make_config, mean, log_scale):
    likelihood = make_likelihood(make_config(likelihood="discretized_logistic"), SPEC)
    x = jnp.arange(256) / jnp.float32(255)
    masses = np.exp(np.float64(discretized_logistic_log_prob(x, jnp.full_like(x, mean), jnp.full_like(x, log_scale))))
    assert likelihood.pixel_mean is not None
    found = likelihood.pixel_mean({}, jnp.array([mean, log_scale]).reshape(1, 1, 1, 2))
    assert float(found.squeeze()) == pytest.approx(masses @ np.float64(x), abs=1e-5)


def test_every_channel_has_its_own_mean_and_scale(make_config, key):
    likelihood = make_likelihood(make_config(likelihood="discretized_logistic"), SPEC)
    assert likelihood.outputs_per_channel == 2
    x = jnp.array([10, 100, 200]).reshape(1, 1, 1, 3) / jnp.float32(255)
    mean, log_scale = jnp.array([0.1, 0.5, 0.9]).reshape(1, 1, 1, 3), jnp.array([-3.0, -2.0, -1.0]).reshape(1, 1, 1, 3)
    found = likelihood.log_prob(likelihood.init(key), x, jnp.concatenate([mean, log_scale], axis=-1))
    np.testing.assert_allclose(found[0], discretized_logistic_log_prob(x, mean, log_scale).sum(), rtol=1e-6)
