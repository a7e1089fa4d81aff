"""scikit-learn's embedded digits: 1797 images of 8x8 pixels, uncut or cut as in a textbook. Nothing to download."""

from importlib.metadata import version
from pathlib import Path

import numpy as np

from vae_jax.data.cache import load_cached
from vae_jax.data.images import fit_images
from vae_jax.data.source import Source
from vae_jax.system.cache_folder import cache_root
from vae_jax.types import Config, Split


def load_digits(config: Config) -> Source:
    """Load images u8[1797, 8, 8, 1] with their 17 grey levels spread over 0..255; no test split.

    They are kept in the cache, because importing scikit-learn takes longer than all other work before the first step.
    """
    source = load_cached(cache_root(config), "digits", {"scikit-learn": version("scikit-learn")}, _unpack)
    pixels = fit_images(source.train.images, tuple(config.image_size), config.grayscale)
    return source._replace(train=Split(pixels, source.train.labels))


def load_textbook_digits(config: Config) -> Source:
    """Load the digits of `load_digits`, cut in the order of the file: 1,000 for training, 350 for validation, 447 for test.

    This is the split of the notebooks of Tomczak's "Deep Generative Modeling" (2022).
    """
    whole = load_digits(config)
    train, val, test = (
        Split(whole.train.images[rows], whole.train.labels[rows])
        for rows in (slice(1000), slice(1000, 1350), slice(1350, None))
    )
    return whole._replace(train=train, val=val, test=test)


def _unpack(scratch: Path) -> Source:
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    pixels = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    return Source(Split(pixels, labels.astype(np.int32)), None, tuple(str(digit) for digit in range(10)))
