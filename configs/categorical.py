"""The categorical VAE (Jang et al. 2017): 30 variables of 10 classes, MNIST binarised again at every step, gated 300-300 layers.

python -m vae_jax.main --config=configs/categorical.py
Training decodes relaxed draws, whose temperature falls from 1 to 0.5. Evaluation draws classes, so its elbo is a bound.
The networks and the data are those of configs/gated_vae.py. --config.categorical.gradient=straight_through decodes classes in
training too; --config.latent_dim=200 --config.categorical.classes=2 has 200 Bernoulli variables.
After 50 epochs the nll is 92.41 ± 0.24 nats (over images, a seed); that of the VAE with 40 Gaussians and the same layers 89.45
(python -m experiments.reproduce.priors --table=categorical).
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "categorical"
    config.latent_dim = 30
    config.network = "gated"
    config.hidden_dims = (300, 300)
    config.dataset = "mnist"
    config.binarize = "dynamic"
    config.held_out = "last"
    config.val_fraction = 10000.0
    config.batch_size = 100
    config.learning_rate = 5e-4
    config.num_epochs = 50
    return config
