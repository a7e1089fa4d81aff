"""The likelihoods p(x|z), normalised densities and masses over pixels in [0, 1]; one line each in LIKELIHOODS."""

from collections.abc import Callable

from vae_jax.models.likelihoods.bernoulli import make_bernoulli, make_continuous_bernoulli
from vae_jax.models.likelihoods.gaussian import make_gaussian
from vae_jax.models.likelihoods.logistic import make_discretized_logistic
from vae_jax.types import Config, Likelihood

LIKELIHOODS: dict[str, Callable[[Config], Likelihood]] = {
    "bernoulli": make_bernoulli,
    "continuous_bernoulli": make_continuous_bernoulli,
    "gaussian": make_gaussian,
    "discretized_logistic": make_discretized_logistic,
}


def make_likelihood(config: Config) -> Likelihood:
    """Make the likelihood named by `config.likelihood`."""
    return LIKELIHOODS[config.likelihood](config)
