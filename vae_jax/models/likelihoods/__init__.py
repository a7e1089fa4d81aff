"""The likelihoods p(x|z), normalised densities and masses over pixels in [0, 1]: one line each in LIKELIHOODS."""

from typing import Any

from vae_jax.keys import Entry
from vae_jax.models.likelihoods import gaussian, levels, pixelcnn
from vae_jax.models.likelihoods.bernoulli import make_bernoulli, make_continuous_bernoulli
from vae_jax.models.likelihoods.logistic import make_discretized_logistic
from vae_jax.types import Config, Likelihood, Spec

LIKELIHOODS: dict[str, Entry] = {
    "bernoulli": Entry(make_bernoulli),
    "continuous_bernoulli": Entry(make_continuous_bernoulli),
    "gaussian": Entry(gaussian.make_gaussian, gaussian.KEYS),
    "discretized_logistic": Entry(make_discretized_logistic),
    "levels": Entry(levels.make_levels, levels.KEYS, levels.problems),
    "pixelcnn": Entry(pixelcnn.make_pixelcnn_likelihood, pixelcnn.KEYS, pixelcnn.problems),
}
"""(config, spec) -> Likelihood."""


def make_likelihood(config: Config, spec: Spec) -> Likelihood:
    """Make the likelihood named by `config.likelihood`."""
    return LIKELIHOODS[config.likelihood].make(config, spec)


def asks_levels(config: Config) -> bool:
    """Return True if the likelihood is made for the number of grey levels of the data, `Spec.levels`."""
    return config.binarize == "none" and levels.NUMBER in LIKELIHOODS[config.likelihood].keys


def numbers_of(config: Config, likelihood: Likelihood) -> dict[str, Any]:
    """Return the numbers of the layer that computes the pixel mean, see `networks.Layer`."""
    own = {"levels": likelihood.outputs_per_channel} if asks_levels(config) else {}
    return {"likelihood": config.likelihood} | own
