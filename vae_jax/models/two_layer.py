"""The VAE with two stochastic layers (Burda et al. 2016, section 5): x <- lower <- upper, encoded x -> lower -> upper."""

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_observed
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.models.networks import NETWORKS
from vae_jax.types import Config, Images, Model, Outputs, Params, PerExample, Posterior

Lower = Float[Array, "B Z"]
Conditional = Callable[[Params, Array], Posterior]


class Latents(NamedTuple):
    """One z."""

    lower: Lower
    upper: Float[Array, "B U"]


def make_two_layer(config: Config, shape: tuple[int, int, int]) -> Model:
    """p(upper) = N(0, 1), p(lower|upper) and p(x|lower); q(lower|x) and q(upper|lower), diagonal Gaussians.

    The posterior that others see is q(lower|x); the upper layer's follows from a sampled lower one. Nothing of the upper
    layer reaches the pixels, so `decode` also takes the lower layer's z alone, as an array [B, Z]. There is no dropout
    between the layers.

    Args:
        config: reads latent_dim, Z, and upper_latent_dim, U; hidden_dims between x and lower, upper_hidden_dims between
            lower and upper.
        shape: (H, W, C) of the images.
    """
    observed = make_observed(config, shape, 2 * config.latent_dim)
    init_layers, upper_given, lower_given = _make_conditionals(config)

    def init(key: PRNGKeyArray, mean_image: Float[Array, "H W C"]) -> Params:
        key_observed, key_layers = jax.random.split(key)
        return observed.init(key_observed, mean_image) | {"layers": init_layers(key_layers)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        return Posterior(*jnp.split(observed.networks.encode(params, x, key), 2, axis=-1))

    def reparameterize(params: Params, key: PRNGKeyArray, posterior: Posterior) -> Latents:
        key_lower, key_upper = jax.random.split(key)
        lower = normal_sample(key_lower, *posterior)
        return Latents(lower, normal_sample(key_upper, *upper_given(params, lower)))

    def decode(params: Params, z: Latents | Lower, key: PRNGKeyArray | None = None) -> Outputs:
        return observed.networks.decode(params, z.lower if isinstance(z, Latents) else z, key)

    def log_prior(params: Params, z: Latents) -> PerExample:
        upper = normal_log_prob(z.upper, jnp.zeros_like(z.upper), jnp.zeros_like(z.upper)).sum(axis=-1)
        return upper + normal_log_prob(z.lower, *lower_given(params, z.upper)).sum(axis=-1)

    def log_posterior(params: Params, posterior: Posterior, z: Latents) -> PerExample:
        lower = normal_log_prob(z.lower, *posterior).sum(axis=-1)
        return lower + normal_log_prob(z.upper, *upper_given(params, z.lower)).sum(axis=-1)

    def kl_terms(params: Params, posterior: Posterior, z: Latents) -> Float[Array, "B K"]:
        """K = Z + U; the upper layer's in closed form given the sampled lower one, the lower layer's log ratio at z, since
        there z decides about its own prior."""
        ratio = normal_log_prob(z.lower, *posterior) - normal_log_prob(z.lower, *lower_given(params, z.upper))
        return jnp.concatenate([ratio, normal_kl_standard(*upper_given(params, z.lower))], axis=-1)

    def sample_prior(params: Params, key: PRNGKeyArray, n: int) -> Latents:
        key_upper, key_lower = jax.random.split(key)
        upper = jax.random.normal(key_upper, (n, config.upper_latent_dim))
        return Latents(normal_sample(key_lower, *lower_given(params, upper)), upper)

    return Model(
        init=init,
        encode=encode,
        reparameterize=reparameterize,
        decode=decode,
        log_likelihood=observed.log_likelihood,
        pixel_mean=observed.pixel_mean,
        log_prior=log_prior,
        log_posterior=log_posterior,
        kl_terms=kl_terms,
        sample_prior=sample_prior,
    )


def _make_conditionals(config: Config) -> tuple[Callable[..., Params], Conditional, Conditional]:
    """(init, q(upper|lower), p(lower|upper)) of params["layers"]; the latter two by mean and log variance."""
    size = config.latent_dim
    between = deepcopy(config)
    between.hidden_dims, between.latent_dim, between.dropout = config.upper_hidden_dims, config.upper_latent_dim, 0.0
    # The lower layer is the upper one's image of one pixel with a channel for each dimension.
    layers = NETWORKS["mlp"](between, (1, 1, size), 2 * config.upper_latent_dim, 2 * size)

    def upper_given(params: Params, lower: Lower) -> Posterior:
        features = layers.encode(params["layers"], lower.reshape(-1, 1, 1, size))
        return Posterior(*jnp.split(features, 2, axis=-1))

    def lower_given(params: Params, upper: Float[Array, "B U"]) -> Posterior:
        return Posterior(*jnp.split(layers.decode(params["layers"], upper).reshape(-1, 2 * size), 2, axis=-1))

    return layers.init, upper_given, lower_given
