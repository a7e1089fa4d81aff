"""Densities of continuous codes: Gaussian posteriors, and points without noise."""

import copy
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.models.no_pixels import without_pixels
from vae_jax.models.posteriors import make_diagonal
from vae_jax.models.priors import make_prior
from vae_jax.models.priors.rescaled import MOMENTS, moments_of, rescaled
from vae_jax.types import Code, Config, Draw, Images, Model, Params, Posterior, Sample, Spec

OWN = {"prior": "flow"}
"""The prior of continuous codes, unless another one is chosen."""


def of_latents(config: Config, spec: Spec) -> Model:
    """Make the density of Gaussian posteriors, that of (z - mean) / deviation under `config.prior`.

    The mean and the deviation are those of each channel over training codes.
    """
    sized = copy.deepcopy(config)
    sized.latent_dim, sized.posterior = math.prod(spec.shape) // 2, ""
    family = make_diagonal(sized)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        mean, logvar = (part.reshape(x.shape[0], sized.latent_dim) for part in jnp.split(x, 2, axis=-1))
        return Posterior(mean, logvar)

    def moments(images: Array) -> Params:
        return moments_of(*jnp.split(images, 2, axis=-1))

    shared = _of_numbers(sized, spec, moments, family.log_prob)
    return shared._replace(encode=encode, reparameterize=family.reparameterize)


def of_points(config: Config, spec: Spec) -> Model:
    """Make the density of codes without noise, rescaled as those of latents are."""
    sized = copy.deepcopy(config)
    sized.latent_dim = math.prod(spec.shape)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Code:
        return Code(x.reshape(x.shape[0], sized.latent_dim))

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Code) -> Draw:
        return Draw(posterior.mean, None)

    shared = _of_numbers(sized, spec, moments_of, None)
    return shared._replace(encode=encode, reparameterize=reparameterize, rate=None)


def _of_numbers(config: Config, spec: Spec, moments: Callable[[Array], Params], log_posterior: Any) -> Model:
    """Make the part that the densities of latents and of points share; `config.latent_dim` is the number of their dimensions."""
    height, width, _ = spec.shape
    own = make_prior(config, spec, no_encoder, OWN["prior"])
    prior = rescaled(own, height * width)

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return {"likelihood": {}, "prior": own.init(key, sample), MOMENTS: moments(jnp.asarray(sample.images))}

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> dict[str, Params]:
        return {MOMENTS: params[MOMENTS]}  # an optimizer with weight decay would change them

    return without_pixels(prior, log_posterior)._replace(
        init=init,
        grid=(height, width) if height * width > 1 else (),
        refit=refit,
        traits=frozenset({"sample", "no_pixels"}) | prior.traits,
    )


def no_encoder(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Any:
    """Stand for the encoder of images, which priors of codes do not call."""
    raise AssertionError("priors that encode images are refused")
