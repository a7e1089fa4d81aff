"""Convolutional autoencoder: 3x3 convolutions of stride 2 (MNIST: to 7x7), transposed back, code of 32 numbers, squared error.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/conv_ae.py --config.num_epochs=50
MNIST: python -m vae_jax.main --config=configs/conv_ae.py --config.dataset=mnist --config.num_epochs=10
(test mse 0.0051)
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "ae"
    config.network = "conv"
    config.objective = "reconstruction"
    config.channels = (32, 64)
    config.latent_dim = 32
    config.likelihood = "gaussian"
    config.num_epochs = 10
    # On a CPU the decoder takes several times longer for each image of a batch of 1000.
    config.eval.batch_size = 128
    return config
