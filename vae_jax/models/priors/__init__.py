"""The priors p(z): one file each, one line in PRIORS."""

from vae_jax.keys import Entry, text
from vae_jax.models.priors import flow, mixture, pixelcnn, sphere, vamp
from vae_jax.models.priors.standard import make_standard
from vae_jax.types import Config, Encode, Prior, Spec

PRIORS: dict[str, Entry] = {
    "flow": Entry(flow.make_flow, flow.KEYS, flow.problems),
    "mixture": Entry(mixture.make_mixture, mixture.KEYS),
    "pixelcnn": Entry(pixelcnn.make_pixelcnn_prior, pixelcnn.KEYS, pixelcnn.problems),
    "sphere": Entry(sphere.make_sphere, problems=sphere.problems),
    "standard": Entry(make_standard),
    "vamp": Entry(vamp.make_vamp, vamp.KEYS, vamp.problems),
}
"""(config, spec, encode) -> Prior. `encode` returns the posterior of images."""

PRIOR = text("prior", "", "prior p(z); empty: the posterior's own, mostly N(0, I)")


def make_prior(config: Config, spec: Spec, encode: Encode, own: str = "standard") -> Prior:
    """Make the prior named by `config.prior`, or the one named `own` if it is empty."""
    return PRIORS[config.prior or own].make(config, spec, encode)
