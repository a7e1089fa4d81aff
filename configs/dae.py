"""Denoising MLP autoencoder: like ae.py, with noise N(0, 0.5^2) added to the input only; the target is clean.

0.5 in the pixel range [0, 1] is the noise of the Keras blog's example (which clips the noisy image; here it is not clipped).

Handwritten digits, embedded: python -m vae_jax.main --config=configs/dae.py
(test mse 0.030 noisy to clean, mse_mean 0.017 clean to clean)
MNIST: python -m vae_jax.main --config=configs/dae.py --config.dataset=mnist --config.num_epochs=10
(a minute, test mse 0.0186 noisy to clean, mse_mean 0.0146 clean to clean)
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
    config.dropout = 0.1
    config.likelihood = "gaussian"
    config.gaussian.sigma = (2 * math.pi) ** -0.5
    config.num_epochs = 200
    config.denoising.noise_mean = 0.0
    config.denoising.noise_std = 0.5
    return config
