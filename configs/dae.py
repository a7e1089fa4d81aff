"""Denoising MLP autoencoder: as ae.py, noise N(0, 0.5^2) added to the input only, clean target.

0.5 in the pixel range [0, 1] is the noise of the Keras blog's example (which clips the noisy image; here it is not clipped).

Handwritten digits, embedded: python -m vae_jax.main --config=configs/dae.py
(test mse 0.030 noisy to clean, mse_mean 0.017 clean to clean)
MNIST: python -m vae_jax.main --config=configs/dae.py --config.dataset=mnist --config.num_epochs=10
(a minute, test mse 0.0186 noisy to clean, mse_mean 0.0146 clean to clean)
"""

from configs import ae
from vae_jax.types import Config


def get_config() -> Config:
    """See above."""
    config = ae.get_config()
    config.objective = "denoising"
    config.noise_mean = 0.0
    config.noise_std = 0.5
    return config
