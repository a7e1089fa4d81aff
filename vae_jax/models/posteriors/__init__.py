"""The families of posteriors q(z|x) of a VAE: one file each, one line in POSTERIORS."""

from vae_jax.keys import Entry, text
from vae_jax.models.posteriors import iaf, planar, power_spherical, sylvester
from vae_jax.models.posteriors.diagonal import make_diagonal, z_names
from vae_jax.models.posteriors.family import PosteriorFamily, log_ratio
from vae_jax.models.posteriors.full import make_full
from vae_jax.types import Config

POSTERIORS: dict[str, Entry] = {
    "diagonal": Entry(make_diagonal),
    "full": Entry(make_full),
    "iaf": Entry(iaf.make_iaf, iaf.KEYS, iaf.problems),
    "planar": Entry(planar.make_planar, planar.KEYS),
    "power_spherical": Entry(
        power_spherical.make_power_spherical, problems=power_spherical.problems, own={"prior": "sphere"}
    ),
    "sylvester": Entry(sylvester.make_sylvester, sylvester.KEYS),
}
"""(config) -> PosteriorFamily."""

POSTERIOR = text("posterior", "", "posterior q(z|x); empty: the model's own, a diagonal Gaussian")


def make_posterior(config: Config) -> PosteriorFamily:
    """Make the family named by `config.posterior`; diagonal Gaussians if it is empty."""
    return POSTERIORS[config.posterior or "diagonal"].make(config)


def own_prior(config: Config) -> str:
    """Return the prior that an empty `config.prior` stands for."""
    return POSTERIORS[config.posterior or "diagonal"].own.get("prior", "standard")
