"""The standard normal prior."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.distributions import normal_log_prob
from vae_jax.types import Config, Encode, Params, PerExample, Prior, Sample, Spec

Z = Float[Array, "B Z"]


def make_standard(config: Config, spec: Spec, encode: Encode) -> Prior:
    r"""Make N(0, I) of `config.latent_dim` dimensions; it has no parameters.

    .. math:: p(z) = \mathcal{N}(z; 0, I)
    """

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return {}

    def log_prob(params: Params, z: Z) -> PerExample:
        return normal_log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z)).sum(axis=-1)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        return temperature * jax.random.normal(key, (n, config.latent_dim))

    return Prior(init, log_prob, sample, is_standard=True)
