"""VAE with a probability for each of the 17 grey levels of the digits: 64-256-256-16, LeakyReLU, the split of a textbook.

python -m vae_jax.main --config=configs/levels.py
(30 s on two cores beside other work, best epoch 21 of 41: test nll 94.17 nats, 94.87 with --config.seed=1 and 94.13 with
--config.seed=2, by python -m experiments.nll --samples=5000)

Networks, split, batches of 64, learning rate 1e-3 and a patience of 20 epochs are those of the notebooks of Tomczak's "Deep
Generative Modeling" (2022), whose outputs are not published. They use Adamax, and pixels of 0 to 16 where ours are in [0, 1].
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.dataset = "textbook_digits"
    config.likelihood = "levels"
    config.hidden_dims = (256, 256)
    config.activation = "leaky_relu"
    config.latent_dim = 16
    config.batch_size = 64
    config.learning_rate = 1e-3
    config.num_epochs = 1000
    config.early_stopping = 20
    config.checkpoint.every_epochs = 1
    return config
