"""Importance-weighted autoencoder (Burda et al. 2016): 784-200-200-50, tanh, 5 samples, MNIST binarised again at every step.

python -m vae_jax.main --config=configs/iwae.py
All rows of their Table 1: python -m experiments.reproduce.iwae --help. Measured there: the VAE (1 sample) in batches of 100, 2.6
s an epoch on one core, 2.4 hours: test nll 86.60 nats, theirs 86.76.

Like their code: Glorot's weights, Adam's epsilon 1e-4 on gradients summed over a batch of 20, here 5e-6 on means, a
learning rate that falls from 1e-3 in 8 stages of 3^i epochs, 3,280 in all.
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.hidden_dims = (200, 200)
    config.activation = "tanh"
    config.mlp.kernel_init = "glorot"
    config.latent_dim = 50
    config.objective = "importance"
    config.importance.num_samples = 5
    config.dataset = "mnist"
    config.binarize = "dynamic"
    config.val_fraction = 400.0
    config.batch_size = 20
    config.adam_eps = 5e-6
    config.schedule = "staircase"
    config.num_epochs = 3280
    config.eval.every_epochs = 20
    config.checkpoint.every_epochs = 20
    return config
