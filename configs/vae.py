"""MLP VAE (Kingma and Welling 2014), hidden layers of 512 and 256, latent size 2, Bernoulli pixels, with a film.

Handwritten digits, embedded: python -m vae_jax.main --config=configs/vae.py
MNIST: python -m vae_jax.main --config=configs/vae.py --config.dataset=mnist --config.latent_dim=10
    --config.batch_size=128 --config.num_epochs=10 --config.val_fraction=12000
(a minute on a core, test elbo -104.8)
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "vae"
    config.objective = "elbo"
    config.hidden_dims = (512, 256)
    config.latent_dim = 2
    config.likelihood = "bernoulli"
    config.learning_rate = 1e-3
    config.batch_size = 64
    config.num_epochs = 100
    config.log.latent_every_steps = 40  # two epochs of the digits, so that no call of an epoch is cut
    return config
