"""Arguments of models, and models from a few functions."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.models import MODELS
from vae_jax.models.backbone import itself
from vae_jax.models.distributions import normal_log_prob, normal_sample
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.types import Draw, Likelihood, Model, Prior, Rate, Sample, Spec

OF_IMAGES = tuple(name for name in MODELS if name != "density")
"""The families whose data are images, and not the codes of another run."""
WITH_MEANS = tuple(name for name in LIKELIHOODS if name != "pixelcnn")
"""The likelihoods whose pixels have means, and do not depend on each other."""
SPEC = Spec((8, 8, 1), levels=17)
"""The spec of the digits, for likelihoods."""


def compiled(model: Model) -> Model:
    """Return a model whose functions are each compiled as a whole, which takes a fraction of the time of op after op."""
    prior, rate = model.prior, model.rate
    if prior is not None:
        sample = jax.jit(prior.sample, static_argnums=(2, 3))
        prior = prior._replace(log_prob=prior.log_prob and jax.jit(prior.log_prob), sample=sample)
    if rate is not None:
        rate = rate._replace(
            kl_terms=jax.jit(rate.kl_terms), log_posterior=rate.log_posterior and jax.jit(rate.log_posterior)
        )
    own = {name: getattr(model, name) for name in _COMPILED}
    return model._replace(**{name: jax.jit(fn) for name, fn in own.items() if fn is not None}, prior=prior, rate=rate)


_COMPILED = ("init", "encode", "reparameterize", "decode", "log_likelihood", "pixel_mean", "sample_pixels")
_COMPILED += ("view", "place", "codes", "from_codes", "penalty")


def sample_of(mean_image: Any, images: Any = None) -> Sample:
    """Return the sample of a model whose initial parameters depend on nothing but the mean image, unless there are images."""
    return Sample(mean_image, np.zeros((0, *mean_image.shape), np.uint8) if images is None else images)


def normal_draw(params: Any, key: jax.Array | None, posterior: Any) -> Draw:
    """Draw z from a diagonal Gaussian; without a key its mean."""
    z = posterior.mean if key is None else normal_sample(key, posterior.mean, posterior.logvar)
    return Draw(z, normal_log_posterior(params, posterior, z))


def normal_log_posterior(params: Any, posterior: Any, z: Any) -> jax.Array:
    return normal_log_prob(z, posterior.mean, posterior.logvar).sum(axis=1)


def standard_log_prob(params: Any, z: Any) -> jax.Array:
    return normal_log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z)).sum(axis=1)


def unused(*args: Any, **kwargs: Any) -> Any:
    """Stand for a function of a model that nothing may call."""
    raise AssertionError("not used")


def constructed_model(
    encode: Callable[..., Any] = unused,
    decode: Callable[..., Any] = unused,
    log_likelihood: Callable[..., Any] = unused,
    pixel_mean: Callable[..., Any] = unused,
    reparameterize: Callable[..., Draw] = normal_draw,
    log_prior: Callable[..., Any] = standard_log_prob,
    sample_prior: Callable[..., Any] = unused,
    log_posterior: Callable[..., Any] = normal_log_posterior,
    kl_terms: Callable[..., Any] = unused,
    kl_names: tuple[str, ...] = (),
    standard_prior: bool = False,
) -> Model:
    """Make a model without parameters from its functions, with a prior and a rate; z is its own view."""
    return Model(
        init=lambda key, sample: {},
        encode=encode,
        reparameterize=reparameterize,
        view=itself,
        place=itself,
        decode=decode,
        log_likelihood=log_likelihood,
        pixel_mean=pixel_mean,
        sample_pixels=unused,
        likelihood=Likelihood(1, lambda key: {}, unused, unused, unused, None, discrete=False),
        prior=Prior(lambda key, sample: {}, log_prior, sample_prior, standard_prior),
        rate=Rate(kl_terms, lambda: kl_names, log_posterior),
    )
