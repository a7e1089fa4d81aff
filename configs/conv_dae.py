"""Denoising convolutional autoencoder: 3x3 convolutions with 32 and 64 channels, code of 32 numbers, noise as in dae.py.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/conv_dae.py
MNIST: python -m vae_jax.main --config=configs/conv_dae.py --config.dataset=mnist --config.num_epochs=10
(test mse 0.0124 noisy to clean, mse_mean 0.0081 clean to clean)
"""

import math

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "ae"
    config.objective = "denoising"
    config.hidden_dims = (256,)
    config.latent_dim = 32
    config.network = "conv"
    config.channels = (32, 64)
    config.likelihood = "gaussian"
    config.gaussian.sigma = (2 * math.pi) ** -0.5
    config.num_epochs = 200
    config.denoising.noise_mean = 0.0
    config.denoising.noise_std = 0.5
    return config
