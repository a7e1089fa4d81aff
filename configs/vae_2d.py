"""MLP VAE with two latent dimensions, easy to draw: hidden layer of 256, RMSprop, batches of 100, Bernoulli pixels.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/vae_2d.py --config.num_epochs=300
MNIST: python -m vae_jax.main --config=configs/vae_2d.py --config.dataset=mnist
(2 minutes on a core, test elbo -151.2)
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.hidden_dims = (256,)
    config.latent_dim = 2
    config.optimizer = "rmsprop"
    config.batch_size = 100
    config.num_epochs = 50
    return config
