"""The sum and the mean of images, computed in pieces."""

import numpy as np

from vae_jax.data.digest import mean_of, total_of


def test_the_sum_of_many_images_is_exact_and_counts_them_by_pieces():
    images, counts = np.random.default_rng(0).integers(0, 256, (2300, 3, 2, 1), np.uint8), []
    total = total_of(images, counts.append)
    np.testing.assert_array_equal(total, images.sum(axis=0, dtype=np.int64))
    assert (total.dtype, counts) == (np.int64, [1000, 1000, 300])
    np.testing.assert_allclose(mean_of(images), images.mean(axis=0, dtype=np.float64) / 255, atol=1e-7)
