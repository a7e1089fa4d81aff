"""Tests against float64 quadrature, at logits on both sides of every switch between formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import SPEC

from vae_jax.models.distributions import SMALL_LOGIT, continuous_bernoulli_log_prob, continuous_bernoulli_mean
from vae_jax.models.likelihoods import make_likelihood

SIZES = [0.0, 1e-8, 1e-4, 9.9e-4, 1.01e-3, 0.02, 0.3, 0.99 * SMALL_LOGIT, 1.01 * SMALL_LOGIT, 3.0, 20.0, 90.0]
LOGITS = np.array([-size for size in SIZES] + SIZES, np.float32)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


def moments(logits):
    """Return the log-integral of exp(x l) over [0, 1], and that density's mean and variance, by float64 quadrature."""
    density = np.exp(np.asarray(logits, np.float64)[:, None] * NODES)
    integral = density @ WEIGHTS
    mean = density * NODES @ WEIGHTS / integral
    return np.log(integral), mean, (density * (NODES - mean[:, None]) ** 2) @ WEIGHTS / integral


@pytest.mark.parametrize("x", [0.0, 0.25, 1.0])
def test_value_and_gradient_agree_with_float64(x):
    log_integral, mean, _ = moments(LOGITS)
    log_prob, vjp = jax.vjp(lambda a: continuous_bernoulli_log_prob(jnp.full_like(a, x), a), jnp.asarray(LOGITS))
    np.testing.assert_allclose(log_prob, x * np.float64(LOGITS) - log_integral, rtol=1e-6, atol=4e-6)
    np.testing.assert_allclose(vjp(jnp.ones_like(LOGITS))[0], x - mean, rtol=1e-6, atol=3e-7)


def test_mean_and_its_derivative_the_variance_agree_with_float64():
    _, mean, variance = moments(LOGITS)
    found, slope = jax.jvp(continuous_bernoulli_mean, (jnp.asarray(LOGITS),), (jnp.ones_like(LOGITS),))
    np.testing.assert_allclose(found, mean, rtol=1e-6, atol=2e-7)
    np.testing.assert_allclose(slope, variance, rtol=1e-5, atol=5e-7)


def test_the_mean_is_not_the_sigmoid_and_is_accurate_at_the_edges():
    far = jnp.array([-1e4, 1e4])
    np.testing.assert_allclose(continuous_bernoulli_mean(far), [1e-4, 1 - 1e-4], rtol=1e-6)
    assert abs(float(continuous_bernoulli_mean(jnp.float32(2.0)) - jax.nn.sigmoid(2.0))) > 0.2


def test_pixel_mean_starts_at_the_mean_image_up_to_clipping(make_config, key):
    likelihood = make_likelihood(make_config(likelihood="continuous_bernoulli"), SPEC)
    assert likelihood.output_bias is not None
    mean_image = jnp.array([0.0, 0.012, 0.3, 0.5, 0.988, 1.0]).reshape(1, 6, 1)
    assert likelihood.pixel_mean is not None
    pixels = likelihood.pixel_mean(likelihood.init(key), likelihood.output_bias(mean_image)[None])[0]
    np.testing.assert_allclose(pixels, np.clip(mean_image, 0.01, 0.99), atol=1e-6)
