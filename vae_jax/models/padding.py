"""Latent dimensions that are there and do nothing, so that runs of different latent sizes are one program.

With `padded_latent_dim` = P a model's arrays have P latent dimensions, of which the first `latent_dim` are its own. Which
these are is an array of its parameters, params["latent"]["mask"], and no part of the program. The networks' first weights
are drawn as for P dimensions, so such a run is not the run of the same `latent_dim` without padding.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from vae_jax.types import Config, Model, Params


def latent_mask(config: Config) -> Params:
    """The part of params that says which latent dimensions are the run's own, by a positive number; empty if all are."""
    if not config.padded_latent_dim:
        return {}
    return {"latent": {"mask": (jnp.arange(config.padded_latent_dim) < config.latent_dim).astype(jnp.float32)}}


def widened(config: Config) -> Config:
    """The config of networks for all latent dimensions, those that do nothing included."""
    wide = deepcopy(config)
    wide.latent_dim = config.padded_latent_dim or config.latent_dim
    return wide


def own_only(params: Params, values: Array) -> Array:
    """values [B, Z] with zeros in the dimensions that are not the run's own: mean and logvar 0 are N(0, 1), whose kl is 0."""
    if "latent" not in params:
        return values
    # A comparison: the mask has no gradient, and what an optimizer's weight decay leaves of a 1 is positive still.
    return jnp.where((params["latent"]["mask"] > 0)[None], values, jnp.zeros_like(values))


def unpadded(model: Model, config: Config) -> Model:
    """The same model, for the same params, as one of `latent_dim` dimensions: for all that looks at latents."""
    if not config.padded_latent_dim:
        return model
    size, missing = config.latent_dim, config.padded_latent_dim - config.latent_dim

    def cut(tree: Any) -> Any:
        return jax.tree.map(lambda a: a[:, :size], tree)

    def fill(tree: Any) -> Any:
        return jax.tree.map(lambda a: jnp.pad(a, ((0, 0), (0, missing))), tree)

    def filled(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
        return function and (lambda params, *latents: function(params, *map(fill, latents)))

    kl_terms, sample_prior = filled(model.kl_terms), model.sample_prior
    return model._replace(
        encode=lambda *given, **named: cut(model.encode(*given, **named)),
        reparameterize=lambda params, key, posterior: cut(model.reparameterize(params, key, fill(posterior))),
        decode=lambda params, z, *key, **named: model.decode(params, fill(z), *key, **named),
        log_prior=filled(model.log_prior),
        log_posterior=filled(model.log_posterior),
        kl_terms=kl_terms and (lambda *given: cut(kl_terms(*given))),
        sample_prior=sample_prior and (lambda *given: cut(sample_prior(*given))),
    )
