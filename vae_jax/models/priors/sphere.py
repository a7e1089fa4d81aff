"""The uniform distribution on a sphere as the prior (Davidson et al. 2018)."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.types import Config, Encode, Params, PerExample, Prior, Sample, Spec

Z = Float[Array, "B Z"]


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a posterior that is not on the sphere."""
    if flat["posterior"] == "power_spherical":
        return []
    return [
        f"posterior={flat['posterior'] or '(empty, diagonal)'}: its z are not on the sphere of prior=sphere; choices: "
        "posterior=power_spherical, or prior=standard"
    ]


def make_sphere(config: Config, spec: Spec, encode: Encode) -> Prior:
    r"""Make the uniform prior on the sphere of `latent_dim` dimensions; z has one number more, and length 1.

    .. math:: p(z) = \frac{\Gamma((d + 1) / 2)}{2 \pi^{(d + 1) / 2}}, \quad \|z\| = 1

    It has no modes, so a temperature changes nothing.
    """
    size = config.latent_dim + 1

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return {}

    def log_prob(params: Params, z: Z) -> PerExample:
        return jnp.full(z.shape[0], -log_area(size), z.dtype)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        return unit(jax.random.normal(key, (n, size)))

    return Prior(init, log_prob, sample, is_standard=False, traits=frozenset({"manifold"}))


def unit(x: Z) -> Z:
    """Return x divided by its length; below a length of 1e-7 the result is shorter, and 0 stays 0."""
    length = jnp.sqrt(jnp.maximum(jnp.square(x).sum(axis=-1, keepdims=True), jnp.finfo(x.dtype).eps ** 2))
    return x / length


def log_area(size: int) -> float:
    """Return the logarithm of the area of the unit sphere in `size` dimensions."""
    return math.log(2) + size / 2 * math.log(math.pi) - math.lgamma(size / 2)
