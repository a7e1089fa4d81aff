"""A mixture of Gaussians with learned weights, means and variances as the prior."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count
from vae_jax.models.priors.gaussians import Components, mixture_component, mixture_log_prob, mixture_sample
from vae_jax.types import Config, Encode, Params, PerExample, Prior, Sample, Spec

Z = Float[Array, "B Z"]
KEYS = (count("mixture.components", 100, "Gaussians in the prior", "components", 1),)
SPREAD = 0.5
"""The variance of the initial means. The components' own is 1 - SPREAD, so that the whole starts near N(0, I)."""


def make_mixture(config: Config, spec: Spec, encode: Encode) -> Prior:
    r"""Make the prior sum_k w_k N(m_k, v_k) with `mixture.components` diagonal Gaussians; all of it is learned.

    .. math:: p(z) = \sum_{k=1}^{K} w_k\, \mathcal{N}(z; m_k, \mathrm{diag}(v_k))
    """
    size = config.mixture.components, config.latent_dim

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        mean = math.sqrt(SPREAD) * jax.random.normal(key, size)
        return {"mean": mean, "logvar": jnp.full(size, math.log(1 - SPREAD)), "logits": jnp.zeros(size[0])}

    def components(params: Params) -> Components:
        own = params["prior"]
        return Components(own["mean"], own["logvar"], jax.nn.log_softmax(own["logits"]))

    def log_prob(params: Params, z: Z) -> PerExample:
        return mixture_log_prob(components(params), z)

    def component(params: Params, z: Z) -> Int32[Array, " B"]:
        return mixture_component(components(params), z)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        return mixture_sample(components(params), key, n, temperature)

    return Prior(init, log_prob, sample, is_standard=False, component=component)
