"""MLP autoencoder, hidden layer of 256, code of 32 numbers, squared error, dropout 0.1.

A gaussian likelihood with sigma = 1 / sqrt(2 pi) has no constant: the loss is pi times the squared error per image.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/ae.py
MNIST: python -m vae_jax.main --config=configs/ae.py --config.dataset=mnist --config.num_epochs=10
(half a minute, test mse 0.0109)
"""

import math

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "ae"
    config.objective = "reconstruction"
    config.hidden_dims = (256,)
    config.latent_dim = 32
    config.dropout = 0.1
    config.likelihood = "gaussian"
    config.gaussian.sigma = (2 * math.pi) ** -0.5
    config.num_epochs = 200
    return config
