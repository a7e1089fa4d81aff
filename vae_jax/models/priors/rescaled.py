"""A prior of latents of any mean and deviation, those of the codes that it learns."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.types import Params, PerExample, Prior

Z = Float[Array, "B Z"]
MOMENTS = "moments"
"""The name of the mean and the deviation of the codes in the params."""


def moments_of(mean: Float[Array, "M h w c"], logvar: Float[Array, "M h w c"] | None = None) -> Params:
    """Return the mean and the deviation [c] of the z of each channel, over points, or over Gaussians with these log variances.

    A channel that is the same for all images has the deviation 1, with which its density is finite.
    """
    lowest, variance = mean.min(axis=(0, 1, 2)), mean.var(axis=(0, 1, 2))
    # The float32 mean of equal numbers is not quite their value, so their variance is not quite 0.
    same, centre = mean.max(axis=(0, 1, 2)) == lowest, mean.mean(axis=(0, 1, 2))
    if logvar is not None:
        return {"mean": centre, "deviation": jnp.sqrt(variance + jnp.exp(logvar).mean(axis=(0, 1, 2)))}
    return {"mean": jnp.where(same, lowest, centre), "deviation": jnp.where(same, 1.0, jnp.sqrt(variance))}


def rescaled(prior: Prior, places: int) -> Prior:
    """Return the prior of z for which (z - mean) / deviation has the given one."""

    def moments(params: Params) -> tuple[Float[Array, "1 Z"], Float[Array, "1 Z"]]:
        own = jax.lax.stop_gradient(params[MOMENTS])
        return jnp.tile(own["mean"], places)[None], jnp.tile(own["deviation"], places)[None]

    def inner(params: Params, z: Z) -> Z:
        mean, deviation = moments(params)
        return (z - mean) / deviation

    def log_prob(params: Params, z: Z) -> PerExample:
        assert prior.log_prob is not None
        return prior.log_prob(params, inner(params, z)) - jnp.log(moments(params)[1]).sum()

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        mean, deviation = moments(params)
        return mean + deviation * prior.sample(params, key, n, temperature)

    def component(params: Params, z: Z) -> Int32[Array, " B"]:
        assert prior.component is not None
        return prior.component(params, inner(params, z))

    found = None if prior.component is None else component
    return prior._replace(log_prob=log_prob, sample=sample, component=found, is_standard=False)
