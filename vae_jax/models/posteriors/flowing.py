"""Posteriors whose z is a diagonal Gaussian draw that invertible steps move: log q(z|x) = log q_0(z_0|x) - log |det dz/dz_0|."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from vae_jax.models.distributions import normal_log_prob, normal_sample
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.types import Draw, Params, PerExample

Moved = tuple[Z, PerExample]
"""(z, log |det dz/dz_0| [B])."""


def make_flowing(
    size: int,
    num_features: int,
    posterior: Callable[[Features], Any],
    forward: Callable[[Params, Any, Z], Moved],
    inverse: Callable[[Params, Any, Z], Moved] | None,
    init: Callable[[PRNGKeyArray], Params] | None = None,
) -> PosteriorFamily:
    """Make the family of draws from `posterior.base`, a diagonal Gaussian, moved by `forward` (Rezende and Mohamed 2015, eq. 13).

    Args:
        size: Z.
        num_features: E.
        posterior: (features) -> a NamedTuple with the field `base`, a `Posterior`.
        forward: (params, posterior, z_0) -> z and the log-determinant of its derivative for z_0.
        inverse: (params, posterior, z) -> z_0 and the same log-determinant; None: the density is known for draws only.
        init: (key) -> the parameters that all images share, or None.
    """

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Any) -> Draw:
        base = posterior.base
        start = base.mean if key is None else normal_sample(key, *base)
        z, log_det = forward(params, posterior, start)
        return Draw(z, normal_log_prob(start, *base).sum(axis=1) - log_det)

    def log_prob(params: Params, posterior: Any, z: Z) -> PerExample:
        assert inverse is not None
        start, log_det = inverse(params, posterior, z)
        return normal_log_prob(start, *posterior.base).sum(axis=1) - log_det

    return PosteriorFamily(
        num_features=num_features,
        size=size,
        posterior=posterior,
        reparameterize=reparameterize,
        log_prob=None if inverse is None else log_prob,
        init=init,
        # The noise-free z needs the steps, which are no list of layers.
        layers=lambda layers: layers._replace(encoder=[]),
    )


def cut(features: Features, *shapes: tuple[int, ...]) -> list[Any]:
    """Cut features [B, E] into arrays [B, *shape], one after another; together they have E numbers."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    pieces = jnp.split(features, ends[:-1].tolist(), axis=1)
    return [piece.reshape(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True)]
