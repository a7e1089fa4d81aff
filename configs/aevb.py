"""MLP VAE for the study of latent sizes: hidden layers of 512 and 256, batches of 200, Bernoulli pixels, latent size 2.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/aevb.py --config.num_epochs=300
MNIST: python -m vae_jax.main --config=configs/aevb.py --config.dataset=mnist
(5 minutes on a core, test elbo -139.7)
MNIST, latent size 100 or 200: add --config.latent_dim=100 --config.num_epochs=100
(12 minutes on a core, test elbo -98.1 and -98.4)
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.hidden_dims = (512, 256)
    config.latent_dim = 2
    config.batch_size = 200
    config.num_epochs = 50
    return config
