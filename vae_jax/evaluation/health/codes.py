"""Codes of images: posteriors, one sampled z each, and their log-densities, as arrays on the host."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.evaluation.aggregate_posterior import Aggregate
from vae_jax.models import given, require_rate
from vae_jax.randomness import fold_range
from vae_jax.types import Model, Params

BATCH = 500


class Codes(NamedTuple):
    """The codes of N images, with one z from each posterior; densities are in nats."""

    posterior: Any
    """A pytree of [N, ...]."""
    z: Any
    """A pytree of [N, ...]."""
    means: Float[np.ndarray, "N F"]
    """The noise-free z, as numbers."""
    points: Float[np.ndarray, "N F"]
    """The z, as numbers, float64."""
    kl_terms: Float[np.ndarray, "N K"]
    elbo: Float[np.ndarray, " N"]
    log_own: Float[np.ndarray, " N"]
    """log q(z_i|x_i)."""
    log_prior: Float[np.ndarray, " N"]
    """log p(z_i)."""

    @property
    def kl(self) -> Float[np.ndarray, " N"]:
        """The KL(q(z|x) || p(z)) of every image, nats."""
        return self.kl_terms.sum(axis=1, dtype=np.float64)

    def first(self, count: int) -> "Codes":
        """Return the first `count` codes."""
        return Codes(*jax.tree.map(lambda values: values[:count], tuple(self)))

    def aggregate(self) -> Aggregate:
        """Return the moments that evaluation computes, for these codes."""
        z = self.points
        return Aggregate(self.kl_terms.mean(axis=0, dtype=np.float64), z.mean(0), np.square(z).mean(0))


Labels = Int32[np.ndarray, " N"] | None
"""The labels of images, for a conditional model."""
DrawCodes = Callable[..., Codes]
"""(params, key, images u8[N,H,W,C], labels=None) -> codes; the z of image i is drawn with fold_in(key, i)."""


def make_draw_codes(family: Model) -> DrawCodes:
    """Make a function that draws the codes of images; of a conditional model, given their labels."""
    require_rate(family)

    def image_codes(
        params: Params, key: PRNGKeyArray, image: UInt8[Array, "H W C"], label: Int32[Array, ""] | None
    ) -> Any:
        model = given(family, None if label is None else label[None])
        log_prior, rate = require_rate(model)
        x = unit(image[None])
        posterior = model.encode(params, x)
        draw = model.reparameterize(params, key, posterior)
        views = (model.view(params, z) for z in (model.reparameterize(params, None, posterior).z, draw.z))
        kl_terms = rate.kl_terms(params, posterior, draw)
        elbo = model.log_likelihood(params, x, model.decode(params, draw.z)) - kl_terms.sum(axis=1)
        codes = (posterior, draw.z, *views, kl_terms, elbo, draw.log_q, log_prior(params, draw.z))
        return jax.tree.map(lambda values: values[0], codes)

    batch_codes = jax.jit(jax.vmap(image_codes, in_axes=(None, 0, 0, 0)))

    def draw_codes(
        params: Params, key: PRNGKeyArray, images: UInt8[np.ndarray, "N H W C"], labels: Labels = None
    ) -> Codes:
        pieces, size = [], min(BATCH, len(images))
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            padded = np.pad(batch, [(0, size - len(batch)), (0, 0), (0, 0), (0, 0)])
            classes = None if labels is None else np.pad(labels[start : start + size], (0, size - len(batch)))
            codes = jax.device_get(batch_codes(params, fold_range(key, start + jnp.arange(size)), padded, classes))
            kept = slice(len(batch))
            pieces.append(jax.tree.map(lambda values, kept=kept: values[kept], codes))
        codes = Codes(*jax.tree.map(lambda *arrays: np.concatenate(arrays), *pieces))
        return codes._replace(points=codes.points.astype(np.float64))

    return draw_codes
