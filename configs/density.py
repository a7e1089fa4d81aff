"""A flow as the density of the codes of a finished VAE; it then takes the place of that run's prior.

python -m vae_jax.main --config=configs/vae.py --config.latent_dim=8 --workdir=runs/vae
python -m vae_jax.main --config=configs/density.py --config.data_dir=runs/vae
The run is the pair: its samples, figures, page and log-likelihoods are of the first run's decoder with the learned p(z).
"""

from vae_jax.config import Config, defaults


def get_config() -> Config:
    """Return the config described above."""
    config = defaults()
    config.model = "density"
    config.dataset = "codes"
    config.num_epochs = 50
    return config
