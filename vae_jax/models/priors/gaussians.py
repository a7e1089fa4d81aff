"""Mixtures of diagonal Gaussians: log-density, draws, and the component of each point."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.models.distributions import LOG_TWO_PI, normal_log_prob, normal_sample
from vae_jax.types import PerExample

Z = Float[Array, "B Z"]


class Components(NamedTuple):
    """The K components of a mixture."""

    mean: Float[Array, "K Z"]
    logvar: Float[Array, "K Z"]
    log_weights: Float[Array, " K"]
    """The logarithms of the weights; their exponentials sum to 1."""


def mixture_log_prob(components: Components, z: Z) -> PerExample:
    """Return log sum_k w_k N(z; m_k, v_k) [B], nats.

    (z - m)^2 / v is expanded, so that all B K distances are two matrix products and no array [B, K, Z] exists. Large terms
    cancel there. So z and m are measured from the components' mean, and the largest summand is computed again without the
    expansion: the whole is within 1e-3 nats of float64.
    """
    (mean, logvar, log_weights), z = _centred(components, z)
    joint = _joint(Components(mean, logvar, log_weights), z)
    nearest = joint.argmax(axis=1)
    largest = log_weights[nearest] + normal_log_prob(z, mean[nearest], logvar[nearest]).sum(axis=1)
    return jax.nn.logsumexp(joint.at[jnp.arange(len(z)), nearest].set(largest), axis=1)


def mixture_component(components: Components, z: Z) -> Int32[Array, " B"]:
    """Return the component of largest responsibility for each z: the k that maximises w_k N(z; m_k, v_k)."""
    return _joint(*_centred(components, z)).argmax(axis=1).astype(jnp.int32)


def _centred(components: Components, z: Z) -> tuple[Components, Z]:
    """Measure the means and z from the components' mean."""
    centre = jax.lax.stop_gradient(components.mean.mean(axis=0, keepdims=True))
    z, mean = z - centre, components.mean - centre
    return components._replace(mean=mean), z


def _joint(components: Components, z: Z) -> Float[Array, "B K"]:
    """Return log w_k + log N(z; m_k, v_k), expanded; see `mixture_log_prob`."""
    mean, logvar, log_weights = components
    precision = jnp.exp(-logvar)
    linear = mean * precision
    constants = log_weights - 0.5 * (mean * linear + logvar + LOG_TWO_PI).sum(axis=1)
    exact = jax.lax.Precision.HIGHEST  # an accelerator's default would round the factors to bfloat16
    quadratic = jnp.matmul(jnp.square(z), precision.T, precision=exact)
    return jnp.matmul(z, linear.T, precision=exact) - 0.5 * quadratic + constants[None]


def mixture_sample(components: Components, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Float[Array, "n Z"]:
    """Draw from a mixture; a temperature below 1 narrows each component and leaves the weights."""
    key_component, key_eps = jax.random.split(key)
    chosen = jax.random.categorical(key_component, components.log_weights, shape=(n,))
    noise = normal_sample(key_eps, jnp.zeros((n, components.mean.shape[1])), components.logvar[chosen])
    return components.mean[chosen] + temperature * noise
