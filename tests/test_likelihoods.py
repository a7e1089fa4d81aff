import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from vae_jax.likelihoods import LIKELIHOODS, make_likelihood


def one_pixel(value) -> jax.Array:
    return jnp.full((1, 1, 1, 1), value, jnp.float32)


@pytest.mark.parametrize("output", [-3.0, 0.0, 0.7])
def test_bernoulli_sums_to_one(make_config, key, output):
    likelihood = make_likelihood(make_config(likelihood="bernoulli"))
    total = sum(np.exp(likelihood.log_prob(likelihood.init(key), one_pixel(x), one_pixel(output))[0]) for x in (0, 1))
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
@pytest.mark.parametrize("output", [-0.5, 0.4])
def test_gaussian_integrates_to_one_and_agrees_with_scipy(make_config, key, sigma, output):
    likelihood = make_likelihood(make_config(likelihood="gaussian", sigma=sigma))
    x = np.linspace(output - 8 * sigma, output + 8 * sigma, 2001)
    images = jnp.asarray(x, jnp.float32).reshape(-1, 1, 1, 1)
    log_prob = likelihood.log_prob(likelihood.init(key), images, jnp.full_like(images, output))
    np.testing.assert_allclose(log_prob, scipy.stats.norm.logpdf(x, output, sigma), rtol=1e-4, atol=1e-4)
    assert scipy.integrate.trapezoid(np.exp(log_prob), x) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_likelihood_sums_over_pixels_and_starts_at_the_mean_image(make_config, key, name):
    likelihood = make_likelihood(make_config(likelihood=name, sigma=0.3))
    params = likelihood.init(key)
    mean_image = jax.random.uniform(key, (3, 2, 2), minval=0.05, maxval=0.95)
    outputs = jax.random.normal(key, (5, 3, 2, 2 * likelihood.outputs_per_channel))
    x = jax.random.uniform(key, (5, 3, 2, 2)).round()
    total = likelihood.log_prob(params, x, outputs)
    by_pixel = sum(
        likelihood.log_prob(params, x[:, i : i + 1, j : j + 1], outputs[:, i : i + 1, j : j + 1])
        for i in range(3)
        for j in range(2)
    )
    np.testing.assert_allclose(total, by_pixel, rtol=1e-5)
    assert likelihood.output_bias is not None
    bias = likelihood.output_bias(mean_image)
    np.testing.assert_allclose(likelihood.pixel_mean(params, bias[None])[0], mean_image, atol=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_every_likelihood_is_finite_at_extreme_outputs_and_images(make_config, key, name):
    likelihood = make_likelihood(make_config(likelihood=name))
    params = likelihood.init(key)
    for output in (-1e4, 1e4):
        for x in (0.0, 0.5, 1.0):
            value, grad = jax.value_and_grad(lambda o, x=x: likelihood.log_prob(params, one_pixel(x), o)[0])(
                one_pixel(output)
            )
            assert np.isfinite(value)
            assert np.isfinite(grad).all()
    assert likelihood.output_bias is not None
    assert np.isfinite(likelihood.output_bias(jnp.array([[[0.0], [1.0]]]))).all()
