"""Codes of images: posteriors, one sampled z each, and their log-densities, as arrays on the host."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.evaluation.aggregate_posterior import Aggregate
from vae_jax.models import require_prior
from vae_jax.models.standard_normal import flat, from_standard
from vae_jax.randomness import fold_range
from vae_jax.types import Model, Params

BATCH = 500


class Codes(NamedTuple):
    """The codes of N images, with one z from each posterior; densities are in nats."""

    posterior: Any
    """A pytree of [N, ...], with `mean` [N, Z]."""
    z: Any
    """A pytree of [N, ...]."""
    kl_terms: Float[np.ndarray, "N K"]
    elbo: Float[np.ndarray, " N"]
    log_own: Float[np.ndarray, " N"]
    """log q(z_i|x_i)."""
    log_prior: Float[np.ndarray, " N"]
    """log p(z_i)."""
    from_standard: Float[np.ndarray, " N"]
    """See `standard_normal.from_standard`."""

    @property
    def kl(self) -> Float[np.ndarray, " N"]:
        """The KL(q(z|x) || p(z)) of every image, nats."""
        return self.kl_terms.sum(axis=1, dtype=np.float64)

    @property
    def points(self) -> Float[np.ndarray, "N D"]:
        """All numbers of every z."""
        return points_of(self.z)

    def first(self, count: int) -> "Codes":
        """Return the first `count` codes."""
        return Codes(*jax.tree.map(lambda values: values[:count], tuple(self)))

    def aggregate(self) -> Aggregate:
        """Return the moments that evaluation computes, for these codes."""
        z = self.points
        away = np.abs(self.from_standard).mean(dtype=np.float64)
        return Aggregate(
            self.kl_terms.mean(axis=0, dtype=np.float64), z.mean(0), np.square(z).mean(0), np.asarray(away)
        )


def points_of(z: Any) -> Float[np.ndarray, "N D"]:
    """Return all numbers of every z, in float64."""
    return np.asarray(flat(z), np.float64)


DrawCodes = Callable[[Params, PRNGKeyArray, UInt8[np.ndarray, "N H W C"]], Codes]


def make_draw_codes(model: Model) -> DrawCodes:
    """Make a function (params, key, images u8[N,H,W,C]) -> codes; the z of image i is drawn with fold_in(key, i)."""
    log_prior, log_posterior = require_prior(model)
    assert model.kl_terms is not None
    kl_terms_of = model.kl_terms

    def image_codes(params: Params, key: PRNGKeyArray, image: UInt8[Array, "H W C"]) -> Any:
        x = unit(image[None])
        posterior = model.encode(params, x)
        z = model.reparameterize(params, key, posterior)
        kl_terms = kl_terms_of(params, posterior, z)
        elbo = model.log_likelihood(params, x, model.decode(params, z)) - kl_terms.sum(axis=1)
        densities = log_posterior(params, posterior, z), log_prior(params, z)
        codes = (posterior, z, kl_terms, elbo, *densities, from_standard(model, params, z))
        return jax.tree.map(lambda values: values[0], codes)

    batch_codes = jax.jit(jax.vmap(image_codes, in_axes=(None, 0, 0)))

    def draw_codes(params: Params, key: PRNGKeyArray, images: UInt8[np.ndarray, "N H W C"]) -> Codes:
        pieces, size = [], min(BATCH, len(images))
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            padded = np.pad(batch, [(0, size - len(batch)), (0, 0), (0, 0), (0, 0)])
            codes = jax.device_get(batch_codes(params, fold_range(key, start + jnp.arange(size)), padded))
            kept = slice(len(batch))
            pieces.append(jax.tree.map(lambda values, kept=kept: values[kept], codes))
        return Codes(*jax.tree.map(lambda *arrays: np.concatenate(arrays), *pieces))

    return draw_codes
