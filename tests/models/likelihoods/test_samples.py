"""Tests of samples of the pixels: they have the likelihood's mean and its distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.models import SPEC, WITH_MEANS

from vae_jax.models.distributions import continuous_bernoulli_sample
from vae_jax.models.likelihoods import make_likelihood

COUNT = 20_000


def drawn(likelihood, params, key, pixel):
    """Return 20,000 samples of one pixel, in float64, and their standard error."""
    outputs = jnp.broadcast_to(jnp.asarray(pixel, jnp.float32), (COUNT, 1, 1, likelihood.outputs_per_channel))
    found = np.asarray(jax.jit(likelihood.sample)(params, key, outputs), np.float64)
    assert found.shape == (COUNT, 1, 1, 1)
    assert len(np.unique(found)) > 1
    return found.ravel(), found.std() / np.sqrt(COUNT) + 1e-6


@pytest.mark.parametrize("output", [-0.5, 0.0, 0.4, 0.9])
@pytest.mark.parametrize("name", WITH_MEANS)
def test_the_mean_of_many_samples_is_the_pixel_mean(make_config, key, name, output):
    likelihood = make_likelihood(make_config(likelihood=name, gaussian__sigma=0.1), SPEC)
    params = likelihood.init(key)
    x, error = drawn(likelihood, params, key, output)
    outputs = jnp.full((1, 1, 1, likelihood.outputs_per_channel), output, jnp.float32)
    if name == "gaussian":  # its samples are not clipped, and its pixel mean is
        assert abs(x.mean() - output) < 4 * error
        assert scipy.stats.kstest((x - output) / 0.1, "norm").pvalue > 1e-3
    else:
        assert 0 <= x.min() <= x.max() <= 1
        assert likelihood.pixel_mean is not None
        slack = 0.5 / 255 if name == "discretized_logistic" else 0.0  # its pixel mean is that before rounding
        assert abs(x.mean() - float(likelihood.pixel_mean(params, outputs).squeeze())) < 4 * error + slack
    if name == "bernoulli":
        assert set(np.unique(x)) == {0, 1}


def test_samples_of_a_gaussian_have_the_learned_sigma(make_config, key):
    likelihood = make_likelihood(make_config(likelihood="gaussian", gaussian__sigma_mode="learned"), SPEC)
    x, _ = drawn(likelihood, {"logvar": jnp.float32(-3)}, key, 0.5)
    assert x.std() == pytest.approx(np.exp(-1.5), rel=4 / np.sqrt(2 * COUNT))


def test_a_learned_sigma_is_the_standard_deviation_of_samples_and_others_have_none(make_config, key):
    learned = make_likelihood(make_config(likelihood="gaussian", gaussian__sigma_mode="learned"), SPEC)
    logistic = make_likelihood(make_config(likelihood="discretized_logistic"), SPEC)
    for likelihood, params, pixel in ((learned, {"logvar": jnp.float32(-3)}, [0.5]), (logistic, {}, [0.5, -4.0])):
        x, _ = drawn(likelihood, params, key, pixel)
        assert likelihood.sigma is not None
        outputs = jnp.float32(pixel)[None, None, None]
        assert x.std() == pytest.approx(likelihood.sigma(params, outputs).item(), rel=0.03)
    for changes in ({"likelihood": "gaussian"}, {"likelihood": "bernoulli"}):
        assert make_likelihood(make_config(**changes), SPEC).sigma is None


@pytest.mark.parametrize(("mean", "log_scale"), [(0.3, -5.5), (0.02, -4.0), (0.7, -1.0), (0.4, -9.0)])
def test_samples_of_the_logistic_are_levels_with_its_masses(make_config, key, mean, log_scale):
    likelihood = make_likelihood(make_config(likelihood="discretized_logistic"), SPEC)
    outputs = jnp.array([mean, log_scale], jnp.float32).reshape(1, 1, 1, 2)
    x, _ = drawn(likelihood, {}, key, outputs)
    levels = np.rint(255 * x).astype(int)
    np.testing.assert_allclose(x, levels / 255, atol=1e-7)
    grid = jnp.arange(256, dtype=jnp.float32).reshape(256, 1, 1, 1) / 255
    mass = np.exp(np.float64(likelihood.log_prob({}, grid, jnp.broadcast_to(outputs, (256, 1, 1, 2)))))
    counts = np.bincount(levels, minlength=256)
    error = np.sqrt(mass * (1 - mass) / COUNT)
    assert (np.abs(counts / COUNT - mass) < 5 * error + 2 / COUNT).all()


@pytest.mark.parametrize("logit", [-90.0, -3.0, -0.002, 0.0, 5e-4, 0.1, 1.0, 20.0])
def test_samples_of_the_continuous_bernoulli_have_its_distribution(key, logit):
    x = np.asarray(continuous_bernoulli_sample(key, jnp.full(COUNT, logit, jnp.float32)), np.float64)

    def cdf(t):
        return t if logit == 0 else np.expm1(logit * t) / np.expm1(logit)

    assert 0 <= x.min() <= x.max() <= 1
    assert scipy.stats.kstest(x, cdf).pvalue > 1e-3


def test_samples_of_the_continuous_bernoulli_are_finite_at_extreme_logits(key):
    x = continuous_bernoulli_sample(key, jnp.array([-1e4, 1e4] * 100))
    assert np.isfinite(x).all()
    np.testing.assert_allclose(x[::2], 0, atol=2e-3)
    np.testing.assert_allclose(x[1::2], 1, atol=2e-3)
