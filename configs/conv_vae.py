"""Convolutional VAE: 3x3 convolutions of stride 2, LeakyReLU, latent size 64, gaussian pixels of standard deviation 0.313.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/conv_vae.py
MNIST: python -m vae_jax.main --config=configs/conv_vae.py --config.dataset=mnist
(35 minutes on a core, test elbo 125.6: a density, so it may be positive)
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.network = "conv"
    config.channels = (32, 64, 64, 64)
    config.activation = "leaky_relu"
    config.conv.normalization = "group"
    config.latent_dim = 64
    config.likelihood = "gaussian"
    config.gaussian.sigma = 0.313
    config.learning_rate = 5e-4
    config.batch_size = 32
    config.num_epochs = 30
    # On a CPU the decoder takes several times longer for each image of a batch of 1000.
    config.eval.batch_size = 128
    return config
