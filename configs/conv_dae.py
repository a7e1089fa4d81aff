"""Denoising convolutional autoencoder: 3x3 convolutions with 32 and 64 channels, code of 32 numbers, noise as in dae.py.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/conv_dae.py
MNIST: python -m vae_jax.main --config=configs/conv_dae.py --config.dataset=mnist --config.num_epochs=10
(test mse 0.0124 noisy to clean, mse_mean 0.0081 clean to clean)
"""

from configs import dae
from vae_jax.types import Config


def get_config() -> Config:
    """See above."""
    config = dae.get_config()
    config.network = "conv"
    config.channels = (32, 64)
    config.dropout = 0.0
    return config
