"""Inverse autoregressive flows (Kingma et al. 2016)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count, numbers
from vae_jax.models.networks.made import Made, make_made
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.models.posteriors.flowing import Moved, cut, make_flowing
from vae_jax.types import Config, Params, Posterior

KEYS = (
    count("iaf.steps", 4, "steps of an inverse autoregressive posterior", "steps", 1),
    numbers("iaf.hidden_dims", (320,), "widths of the hidden layers of each step's masked network", int, 1),
    count("iaf.context", 64, "numbers that the encoder gives to the masked networks", "numbers", 1),
)
OPEN = 2.0
"""The initial logit of the gates: a step starts near the identity (section 4)."""


class Context(NamedTuple):
    """A diagonal Gaussian, and what the masked networks know of the image."""

    base: Posterior
    context: Float[Array, "B C"]


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a masked network without hidden units."""
    return [] if flat["iaf.hidden_dims"] else ["iaf.hidden_dims=(): a masked network needs at least one hidden layer"]


def make_iaf(config: Config) -> PosteriorFamily:
    r"""Make the posterior of `iaf.steps` steps sigma z + (1 - sigma) m, both from masked networks (algorithm 1).

    .. math:: z_t = \sigma_t \odot z_{t-1} + (1 - \sigma_t) \odot m_t, \quad
        \log q(z_T \mid x) = \log q(z_0 \mid x) - \sum_t \sum_k \log \sigma_{t,k}

    The networks are shared by all images and see a context of `iaf.context` numbers from the encoder. The order of z is
    reversed between steps. The density of any z needs as many passes as z has dimensions.
    """
    size, steps, own = config.latent_dim, config.iaf.steps, config.iaf
    made = make_made(size, own.hidden_dims, own.context, 2)

    def init(key: PRNGKeyArray) -> Params:
        return {f"step_{number}": made.init(one) for number, one in enumerate(jax.random.split(key, steps))}

    def posterior(features: Features) -> Context:
        mean, logvar, context = cut(features, (size,), (size,), (own.context,))
        return Context(Posterior(mean, logvar), context)

    def forward(params: Params, posterior: Context, z: Z) -> Moved:
        log_det = jnp.zeros(z.shape[0], z.dtype)
        for number in range(steps):
            weights = params["posterior"][f"step_{number}"]
            z, gained = iaf_step(made, weights, posterior.context, z[:, ::-1] if number else z)
            log_det += gained
        return z, log_det

    def inverse(params: Params, posterior: Context, z: Z) -> Moved:
        log_det = jnp.zeros(z.shape[0], z.dtype)
        for number in reversed(range(steps)):
            weights = params["posterior"][f"step_{number}"]
            z = inverse_step(made, weights, posterior.context, z)
            log_det += iaf_step(made, weights, posterior.context, z)[1]
            z = z[:, ::-1] if number else z
        return z, log_det

    return make_flowing(size, 2 * size + own.context, posterior, forward, inverse, init)


def iaf_step(made: Made, weights: Params, context: Float[Array, "B C"], z: Z) -> Moved:
    """Return sigma z + (1 - sigma) m and log |det| = sum log sigma; the derivative is triangular."""
    opening, target = _gates(made, weights, context, z)
    gate = jax.nn.sigmoid(opening)
    return gate * z + (1 - gate) * target, jax.nn.log_sigmoid(opening).sum(axis=1)


def inverse_step(made: Made, weights: Params, context: Float[Array, "B C"], z: Z) -> Z:
    """Return the z that `iaf_step` maps to z: one dimension after another, because each needs those before it."""

    def find(i: Int32[Array, ""], found: Z) -> Z:
        opening, target = _gates(made, weights, context, found)
        gate = jax.nn.sigmoid(opening[:, i])
        return found.at[:, i].set((z[:, i] - (1 - gate) * target[:, i]) / gate)

    return jax.lax.fori_loop(0, z.shape[1], find, jnp.zeros_like(z))


def _gates(made: Made, weights: Params, context: Float[Array, "B C"], z: Z) -> tuple[Z, Z]:
    numbers = made.apply(weights, z, context)
    return numbers[:, 0] + OPEN, numbers[:, 1]
