"""The VAE of Tomczak and Welling (2018): gated layers 784-300-300-40, MNIST binarised again at every step, a short schedule.

python -m vae_jax.main --config=configs/gated_vae.py
(test nll 87.57 nats, and 83.46 with --config.prior=flow, seed 0, by python -m experiments.nll --samples=5000)
The last 10,000 training images are for validation, as in their code. Their warm-up has 100 epochs, and training stops after 50
epochs without a better elbo: --config.kl_warmup_epochs=100 --config.early_stopping=50 --config.num_epochs=2000
--config.checkpoint.every_epochs=1. `experiments/reproduce/priors.py` compares priors and posteriors on this model.
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.network = "gated"
    config.hidden_dims = (300, 300)
    config.latent_dim = 40
    config.dataset = "mnist"
    config.binarize = "dynamic"
    config.held_out = "last"
    config.val_fraction = 10000.0
    config.batch_size = 100
    config.learning_rate = 5e-4
    config.kl_warmup_epochs = 20.0
    config.num_epochs = 100
    return config
