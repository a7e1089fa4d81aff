"""The PixelVAE (Gulrajani et al. 2016), small: a gated PixelCNN of three layers as the likelihood, given z, of binarised MNIST.

python -m vae_jax.main --config=configs/pixelvae.py
The encoder, the latent dimensions and the data are those of configs/gated_vae.py. The PixelCNN sees pixels that are at most four
rows and columns away, and z has to say the rest. One that sees more (--config.pixelcnn.layers=6) needs z less: experiments.nll
prints the kl beside the nll, and experiments.health says if it is near 0. The warm-up of the KL lets z say something before the
PixelCNN can do without it.
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.likelihood = "pixelcnn"
    config.network = "gated"
    config.hidden_dims = (300, 300)
    config.latent_dim = 40
    config.dataset = "mnist"
    config.binarize = "dynamic"
    config.held_out = "last"
    config.val_fraction = 10000.0
    config.batch_size = 100
    config.learning_rate = 1e-3
    config.kl_warmup_epochs = 5.0
    config.num_epochs = 10
    config.eval.batch_size = 250
    return config
