import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import SPEC, WITH_MEANS

from vae_jax.models.likelihoods import make_likelihood


def one_pixel(value) -> jax.Array:
    return jnp.full((1, 1, 1, 1), value, jnp.float32)


def outputs_of(likelihood, value) -> jax.Array:
    return jnp.full((1, 1, 1, likelihood.outputs_per_channel), value, jnp.float32)


def support(likelihood, binary):
    """Return pixel values and weights whose weighted sum is 1 for a normalised density or mass."""
    if likelihood.discrete:
        number = 2 if binary else 256 if likelihood.outputs_per_channel < 3 else likelihood.outputs_per_channel
        return np.arange(number) / (number - 1), np.ones(number)
    # 100 intervals of 40 points each, because Gauss's rule of 4,000 points takes seconds to compute.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    centres = (np.arange(100) + 0.5) / 50 - 1
    return (centres[:, None] + nodes / 100).ravel(), np.tile(weights / 100, 100)


@pytest.mark.parametrize("output", [-3.0, -0.5, 0.0, 0.4, 30.0])
@pytest.mark.parametrize("name", WITH_MEANS)
def test_every_likelihood_is_normalised(make_config, key, name, output):
    binary = name == "bernoulli"
    config = make_config(likelihood=name, gaussian__sigma=0.3, binarize="dynamic" if binary else "none")
    likelihood = make_likelihood(config, SPEC)
    points, weights = support(likelihood, binary)
    if not likelihood.discrete:
        # A density on the line is far below 1e-10 of its peak 3 away from its mean.
        low, high = (output - 3, output + 3) if name == "gaussian" else (0, 1)
        points, weights = low + (high - low) * (points + 1) / 2, (high - low) / 2 * weights
    x = jnp.asarray(points, jnp.float32).reshape(-1, 1, 1, 1)
    outputs = jnp.broadcast_to(outputs_of(likelihood, output), (len(points), 1, 1, likelihood.outputs_per_channel))
    log_prob = jax.jit(likelihood.log_prob)(likelihood.init(key), x, outputs)
    assert np.exp(np.float64(log_prob)) @ weights == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("name", WITH_MEANS)
def test_every_likelihood_is_summed_over_pixels_and_starts_at_the_mean_image(make_config, key, name):
    likelihood = make_likelihood(make_config(likelihood=name, gaussian__sigma=0.3), SPEC)
    params = likelihood.init(key)
    mean_image = jax.random.uniform(key, (3, 2, 2), minval=0.05, maxval=0.95)
    outputs = jax.random.normal(key, (5, 3, 2, 2 * likelihood.outputs_per_channel))
    x = jax.random.uniform(key, (5, 3, 2, 2)).round()
    log_prob, (one, own) = jax.jit(likelihood.log_prob), (a.reshape(30, 1, 1, a.shape[3]) for a in (x, outputs))
    by_pixel = log_prob(params, one, own).reshape(5, 6)
    np.testing.assert_allclose(log_prob(params, x, outputs), np.sum(by_pixel, axis=1), rtol=1e-5)
    assert likelihood.output_bias is not None
    assert likelihood.pixel_mean is not None
    bias = jax.jit(likelihood.output_bias)(mean_image)
    np.testing.assert_allclose(jax.jit(likelihood.pixel_mean)(params, bias[None])[0], mean_image, atol=1e-5)


@pytest.mark.parametrize("name", WITH_MEANS)
def test_every_likelihood_is_finite_at_extreme_outputs_and_images(make_config, key, name):
    likelihood = make_likelihood(make_config(likelihood=name), SPEC)
    params = likelihood.init(key)
    computed = jax.jit(jax.value_and_grad(lambda outputs, x: likelihood.log_prob(params, x, outputs)[0]))
    assert likelihood.pixel_mean is not None
    pixel_mean = jax.jit(likelihood.pixel_mean)
    for output in (-1e4, 1e4):
        outputs = outputs_of(likelihood, output)
        assert np.isfinite(pixel_mean(params, outputs)).all()
        for x in (0.0, 0.5, 1.0):
            value, grad = computed(outputs, one_pixel(x))
            assert np.isfinite(value)
            assert np.isfinite(grad).all()
    assert likelihood.output_bias is not None
    assert np.isfinite(jax.jit(likelihood.output_bias)(jnp.array([[[0.0], [1.0]]]))).all()
