"""The likelihoods p(x|z), normalised densities and masses over pixels in [0, 1]: one line each in LIKELIHOODS."""

from vae_jax.keys import Entry
from vae_jax.models.likelihoods import gaussian
from vae_jax.models.likelihoods.bernoulli import make_bernoulli, make_continuous_bernoulli
from vae_jax.models.likelihoods.logistic import make_discretized_logistic
from vae_jax.types import Config, Likelihood

LIKELIHOODS: dict[str, Entry] = {
    "bernoulli": Entry(make_bernoulli),
    "continuous_bernoulli": Entry(make_continuous_bernoulli),
    "gaussian": Entry(gaussian.make_gaussian, gaussian.KEYS),
    "discretized_logistic": Entry(make_discretized_logistic),
}
"""(config) -> Likelihood."""


def make_likelihood(config: Config) -> Likelihood:
    """Make the likelihood named by `config.likelihood`."""
    return LIKELIHOODS[config.likelihood].make(config)
