import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vae_jax.models import distributions


@pytest.fixture
def draws():
    return jax.random.normal(jax.random.key(1), (3, 50))


def test_bernoulli_agrees_with_scipy(draws):
    logits = 4 * draws[0]
    x = jnp.float32(draws[1] > 0)
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(np.float64(logits)))
    np.testing.assert_allclose(distributions.bernoulli_log_prob(x, logits), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softplus_is_accurate_to_the_last_digits_everywhere(dtype):
    with jax.enable_x64(dtype == np.float64):
        x = np.concatenate([np.linspace(-40, 40, 40_001), np.linspace(-1e4, 1e4, 1_001), [-np.inf, np.inf]]).astype(
            dtype
        )
        own = np.asarray(jax.jit(distributions.softplus)(x))
        assert own.dtype == dtype
        true = np.logaddexp(0, np.asarray(x, np.longdouble))
        # exp(-|x|) of a large |x| is below the smallest normal number, and rounds to 0.
        np.testing.assert_allclose(own, true.astype(dtype), rtol=4 * np.finfo(dtype).eps, atol=2e-38)
        assert np.isnan(distributions.softplus(jnp.asarray(np.nan, dtype)))


def test_bernoulli_of_grey_pixels_is_the_mean_over_binarised_ones(draws):
    logits = 4 * draws[0]
    x = jax.nn.sigmoid(draws[1])
    on = distributions.bernoulli_log_prob(jnp.ones_like(x), logits)
    off = distributions.bernoulli_log_prob(jnp.zeros_like(x), logits)
    np.testing.assert_allclose(
        distributions.bernoulli_log_prob(x, logits), x * on + (1 - x) * off, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("logit", [-1e4, -90.0, 0.0, 90.0, 1e4])
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_bernoulli_is_finite_and_exact_at_large_logits(logit, x):
    value, grads = jax.value_and_grad(distributions.bernoulli_log_prob, argnums=(0, 1))(
        jnp.float32(x), jnp.float32(logit)
    )
    x64, l64 = np.float64(np.float32(x)), np.float64(logit)
    np.testing.assert_allclose(value, x64 * l64 - np.logaddexp(0, l64), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(grads, (l64, x64 - scipy.special.expit(l64)), rtol=1e-6, atol=1e-7)


def test_the_bernoulli_derivative_agrees_with_the_plain_formula(draws):
    def plain(x, logits):
        return x * logits - jnp.logaddexp(0.0, logits)

    x, logits = jax.nn.sigmoid(draws[0]), 5 * draws[1]
    for argnum in (0, 1):
        own = jax.grad(lambda *a: (distributions.bernoulli_log_prob(*a) * draws[2]).sum(), argnum)(x, logits)
        expected = jax.grad(lambda *a: (plain(*a) * draws[2]).sum(), argnum)(x, logits)
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


def test_normal_agrees_with_scipy(draws):
    x, mean, logvar = draws
    expected = scipy.stats.norm.logpdf(x, mean, np.exp(0.5 * np.float64(logvar)))
    np.testing.assert_allclose(distributions.normal_log_prob(x, mean, logvar), expected, rtol=1e-5, atol=1e-6)


def test_kl_agrees_with_float64_and_with_monte_carlo(key):
    mean, logvar = jnp.float32([0.5, -2.0, 0.0, 0.3]), jnp.float32([-1.0, 0.7, 0.0, -6.0])
    kl = distributions.normal_kl_standard(mean, logvar)
    m, v = np.float64(mean), np.float64(logvar)
    np.testing.assert_allclose(kl, 0.5 * (m**2 + np.exp(v) - 1 - v), rtol=1e-6, atol=1e-7)
    n = 200_000
    wide_mean, wide_logvar = jnp.tile(mean, (n, 1)), jnp.tile(logvar, (n, 1))
    z = distributions.normal_sample(key, wide_mean, wide_logvar)
    log_ratio = distributions.normal_log_prob(z, wide_mean, wide_logvar) - scipy.stats.norm.logpdf(z)
    error = np.std(log_ratio, axis=0) / np.sqrt(n)
    assert (np.abs(log_ratio.mean(axis=0) - kl) <= 4 * error + 1e-6).all()


def test_kl_is_accurate_close_to_the_prior():
    logvar = jnp.float32(1e-4)
    np.testing.assert_allclose(distributions.normal_kl_standard(jnp.zeros(()), logvar), 0.25e-8, rtol=1e-2)


def test_samples_have_the_given_mean_and_variance(key):
    n = 100_000
    z = distributions.normal_sample(key, jnp.full(n, 3.0), jnp.full(n, np.log(4.0)))
    assert abs(z.mean() - 3.0) < 4 * 2 / np.sqrt(n)
    assert abs(z.var() - 4.0) < 4 * 4 * np.sqrt(2 / n)
