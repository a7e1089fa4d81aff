"""Planar flows (Rezende and Mohamed 2015, section 4.1), whose parameters the encoder gives for each image."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.keys import count
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.models.posteriors.flowing import Moved, cut, make_flowing
from vae_jax.types import Config, Params, Posterior

KEYS = (count("planar.steps", 8, "steps of a planar posterior", "steps", 1),)
OFFSET = math.log(math.e - 1)
"""The point where softplus is 1, so that a step with u = 0 is the identity."""
SMALLEST = 1e-12
"""The least |w|^2, because w = 0 would give 0 / 0, and the least derivative along w."""


class Planar(NamedTuple):
    """A diagonal Gaussian and T planar steps."""

    base: Posterior
    w: Float[Array, "B T Z"]
    u: Float[Array, "B T Z"]
    bias: Float[Array, "B T 1"]


def make_planar(config: Config) -> PosteriorFamily:
    r"""Make the posterior of `planar.steps` steps z + u' tanh(w . z + b), each with its own w, u and b for every image.

    .. math:: z_t = z_{t-1} + u' \tanh(w^\top z_{t-1} + b), \quad
        \log |\det J_t| = \log \left| 1 + (1 - \tanh^2(w^\top z_{t-1} + b))\, w^\top u' \right|

    The density is known for draws only. The closed inverse along w would be a root for each step.
    """
    size, steps = config.latent_dim, config.planar.steps

    def posterior(features: Features) -> Planar:
        mean, logvar, *rest = cut(features, (size,), (size,), (steps, size), (steps, size), (steps, 1))
        return Planar(Posterior(mean, logvar), *rest)

    def forward(params: Params, posterior: Planar, z: Z) -> Moved:
        log_det = jnp.zeros(z.shape[0], z.dtype)
        for step in range(steps):
            z, gained = planar_step(posterior.w[:, step], posterior.u[:, step], posterior.bias[:, step], z)
            log_det += gained
        return z, log_det

    return make_flowing(size, 2 * size + steps * (2 * size + 1), posterior, forward, inverse=None)


def planar_step(w: Z, u: Z, bias: Float[Array, "B 1"], z: Z) -> Moved:
    """Return z + u' tanh(w . z + b) and log |1 + tanh'(w . z + b) u' . w| (eq. 10 and 12).

    u' = u + (m(w . u) - w . u) w / |w|^2 with m > -1 keeps the step invertible (appendix A.1). Here m(a) = softplus(a + c) - 1
    with m(0) = 0, so that u' is 0 if u is, and is continuous where w is 0. u' . w is m, and 1 + (1 - t^2) m is computed as
    t^2 + (1 - t^2) softplus(a + c), which does not cancel.
    """
    along = (w * u).sum(axis=1, keepdims=True)
    stretch = jax.nn.softplus(along + OFFSET)
    u = u + (stretch - 1 - along) * w / jnp.maximum(jnp.square(w).sum(axis=1, keepdims=True), SMALLEST)
    turned = jnp.tanh((w * z).sum(axis=1, keepdims=True) + bias)
    slope = jnp.square(turned) + (1 - jnp.square(turned)) * stretch
    return z + u * turned, jnp.log(jnp.maximum(slope, SMALLEST))[:, 0]
