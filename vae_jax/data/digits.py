"""scikit-learn's embedded digits: 1797 images of 8x8 pixels. Nothing to download."""

import numpy as np

from vae_jax.data.images import fit_images
from vae_jax.data.source import Source
from vae_jax.types import Config, Split


def load_digits(config: Config) -> Source:
    """Images u8[1797, 8, 8, 1] with their 17 grey levels spread over 0..255; no test split."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    pixels = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    pixels = fit_images(pixels, tuple(config.image_size), config.grayscale)
    return Source(Split(pixels, labels.astype(np.int32)), None, tuple(str(digit) for digit in range(10)))
