"""The priors p(z) of a model with one z per image: one file each, one line in PRIORS."""

from vae_jax.keys import Entry, text
from vae_jax.models.priors import mixture, vamp
from vae_jax.models.priors.standard import make_standard
from vae_jax.types import Config, Encode, Prior, Spec

PRIORS: dict[str, Entry] = {
    "mixture": Entry(mixture.make_mixture, mixture.KEYS),
    "standard": Entry(make_standard),
    "vamp": Entry(vamp.make_vamp, vamp.KEYS, vamp.problems),
}
"""(config, spec, encode) -> Prior. `encode` returns the diagonal Gaussian posterior of images."""

PRIOR = text("prior", "", "prior p(z); empty: the model's own, N(0, I)")


def make_prior(config: Config, spec: Spec, encode: Encode) -> Prior:
    """Make the prior named by `config.prior`; N(0, I) if it is empty."""
    return PRIORS[config.prior or "standard"].make(config, spec, encode)
