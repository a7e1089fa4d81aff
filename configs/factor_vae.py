"""FactorVAE (Kim and Mnih 2018) of the embedded digits: 64-256-128-10, total correlation weighted by gamma = 10.

python -m vae_jax.main --config=configs/factor_vae.py
(1 minute on two cores: total correlation 0.13 nats, test elbo -24.4; with --config.factor.gamma=0 0.38 nats and -24.0. Means of
three seeds, measured by python -m experiments.reproduce.factor)

The critic needs a larger learning rate than the paper's 1e-4 here, and the warm-up keeps dimensions alive until it is trained.
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.objective = "factor"
    config.factor.gamma = 10.0
    config.factor.learning_rate = 1e-3
    config.hidden_dims = (256, 128)
    config.latent_dim = 10
    config.learning_rate = 3e-4
    config.kl_warmup_epochs = 100.0
    config.num_epochs = 300
    return config
