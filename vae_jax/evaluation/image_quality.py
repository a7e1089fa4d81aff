"""The measures of reconstructed images that image tokenizers are compared by: PSNR and SSIM."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vae_jax.types import Images, PerExample

WINDOW, SIGMA = 11, 1.5
"""The width of the Gaussian window of SSIM and its standard deviation, pixels."""
C1, C2 = 0.01**2, 0.03**2
"""The constants (K1 L)^2 and (K2 L)^2 of SSIM, for the range L = 1."""
LEAST_ERROR = 1e-10
"""The mean squared error that counts for images that are equal; it is 100 dB."""


def quality(x: Images, y: Images) -> dict[str, PerExample]:
    """Return the metrics psnr and ssim of images y of x [B]; images smaller than the window of SSIM have no ssim."""
    measured = {"psnr": psnr(x, y)}
    return measured | ({"ssim": ssim(x, y)} if min(x.shape[1:3]) >= WINDOW else {})


def psnr(x: Images, y: Images) -> PerExample:
    """Return the peak signal-to-noise ratio -10 log10(mean squared error) of pixels in [0, 1] [B], dB.

    The mean over a split is that of the ratios of its images, not the ratio of their mean error. Equal images have 100 dB.
    """
    return -10 * jnp.log10(jnp.maximum(jnp.square(x - y).mean(axis=(1, 2, 3)), LEAST_ERROR))


def ssim(x: Images, y: Images) -> PerExample:
    """Return the structural similarity of images (Wang et al. 2004, eq. 13), 1 for equal ones [B].

    Means, variances and covariances are those under a Gaussian window of 11 x 11 pixels with a standard deviation of 1.5.
    The result is the mean over all windows inside the image and over channels. Height and width are at least 11.
    """
    rows, columns = (jnp.asarray(windows(size), x.dtype) for size in x.shape[1:3])

    def mean(values: Images) -> Float[Array, "B h w C"]:
        return jnp.einsum("ih,bhwc,jw->bijc", rows, values, columns, precision="highest")

    mean_x, mean_y = mean(x), mean(y)
    # Variances are differences of moments, which rounding can leave below 0.
    var_x, var_y = (jnp.maximum(mean(jnp.square(a)) - jnp.square(m), 0.0) for a, m in ((x, mean_x), (y, mean_y)))
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (jnp.square(mean_x) + jnp.square(mean_y) + C1)
    return (luminance * (2 * covariance + C2) / (var_x + var_y + C2)).mean(axis=(1, 2, 3))


def windows(size: int) -> Float[np.ndarray, "n size"]:
    """Return the weights of each of the n = size - 10 windows inside a line of pixels; their sum is 1."""
    weights = np.exp(-0.5 * np.square((np.arange(WINDOW) - WINDOW // 2) / SIGMA))
    places = np.arange(size)[None] - np.arange(size - WINDOW + 1)[:, None]
    inside = (places >= 0) & (places < WINDOW)
    return np.where(inside, (weights / weights.sum())[np.clip(places, 0, WINDOW - 1)], 0.0)
