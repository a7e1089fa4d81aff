"""VQ-VAE (van den Oord et al. 2017) of MNIST: three strided convolutions, 4 x 4 codes of 64, grey pixels.

python -m vae_jax.main --config=configs/vq_vae.py
(14 minutes on two cores beside other work: all 64 codes used, perplexity 53.4, test elbo -144.8)
The codes of an image cost 16 log 64 = 66.54 nats under the uniform prior, so the elbo is far below that of a VAE.
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "quantized"
    config.vq.codes = 64
    config.network = "conv"
    config.channels = (32, 64, 64)
    config.dataset = "mnist"
    config.val_fraction = 10000.0
    config.num_epochs = 10
    return config
