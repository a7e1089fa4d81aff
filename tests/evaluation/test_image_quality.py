"""PSNR and SSIM against their definitions in float64, and what they are of perfect and useless images."""

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.evaluation.image_quality import psnr, quality, ssim


def make_images(shape, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.normal(size=shape), axis=1) / 8
    return (1 / (1 + np.exp(-smooth))).astype(np.float32)


def defined_ssim(x, y):
    """Return the SSIM of two grey images in float64, window by window as Wang et al. define it."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = (image[i : i + 11, j : j + 11].astype(np.float64) for image in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            cov = (window * (a - mean_a) * (b - mean_b)).sum()
            top = (2 * mean_a * mean_b + 1e-4) * (2 * cov + 9e-4)
            found.append(top / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)))
    return np.mean(found)


@pytest.mark.parametrize("shape", [(2, 11, 11, 1), (2, 17, 28, 3)])
def test_ssim_is_the_mean_over_windows_that_its_paper_defines(shape):
    x, y = make_images(shape), make_images(shape, seed=1)
    expected = [
        np.mean([defined_ssim(a[..., c], b[..., c]) for c in range(shape[3])]) for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(ssim(jnp.asarray(x), jnp.asarray(y)), expected, atol=2e-5)


def test_ssim_of_perfect_useless_and_inverted_images():
    x = jnp.asarray(make_images((3, 20, 20, 1)))
    np.testing.assert_allclose(ssim(x, x), 1.0, atol=1e-6)
    flat = jnp.broadcast_to(x.mean(axis=(1, 2, 3), keepdims=True), x.shape)
    assert (ssim(x, flat) < 0.5).all()
    assert (ssim(x, 1 - x) < ssim(x, flat)).all()  # the covariance is negative
    np.testing.assert_allclose(ssim(x, flat), ssim(flat, x), rtol=1e-5)


def test_psnr_is_the_mean_error_in_decibels_of_each_image():
    x = jnp.zeros((3, 4, 5, 2))
    y = x.at[0].set(0.1).at[1].set(1.0)
    np.testing.assert_allclose(psnr(x, y), [20.0, 0.0, 100.0], atol=1e-4)


def test_images_smaller_than_the_window_have_no_ssim():
    assert list(quality(jnp.zeros((2, 10, 30, 1)), jnp.ones((2, 10, 30, 1)))) == ["psnr"]
    assert list(quality(jnp.zeros((2, 11, 30, 1)), jnp.ones((2, 11, 30, 1)))) == ["psnr", "ssim"]
