"""The VAE with two stochastic layers (Burda et al. 2016, section 5): x <- lower <- upper, encoded x -> lower -> upper."""

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_backbone
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.models.networks import NETWORKS
from vae_jax.types import Config, Images, Model, Outputs, Params, PerExample, Posterior

Lower = Float[Array, "B Z"]
Conditional = Callable[[Params, Array], Posterior]


class Latents(NamedTuple):
    """The z of both stochastic layers."""

    lower: Lower
    upper: Float[Array, "B U"]


def make_two_layer(config: Config, shape: tuple[int, int, int]) -> Model:
    """Make the model p(upper) = N(0, I), p(lower|upper), p(x|lower) with q(lower|x), q(upper|lower), diagonal Gaussians.

    The posterior that callers see is q(lower|x); q(upper|lower) follows from a sampled lower z. The pixels depend on the
    lower z alone, so `decode` also takes it by itself, as an array [B, Z]. There is no dropout between the layers.

    Args:
        config: reads latent_dim (Z), upper_latent_dim (U), and upper_hidden_dims, the widths between the two layers; the
            networks between x and lower read the rest.
        shape: (H, W, C) of the images.
    """
    backbone = make_backbone(config, shape, 2 * config.latent_dim)
    init_layers, upper_given, lower_given = _make_conditionals(config)

    def init(key: PRNGKeyArray, mean_image: Float[Array, "H W C"]) -> Params:
        key_backbone, key_layers = jax.random.split(key)
        return backbone.init(key_backbone, mean_image) | {"layers": init_layers(key_layers)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        return Posterior(*jnp.split(backbone.networks.encode(params, x, key), 2, axis=-1))

    def reparameterize(params: Params, key: PRNGKeyArray, posterior: Posterior) -> Latents:
        key_lower, key_upper = jax.random.split(key)
        lower = normal_sample(key_lower, *posterior)
        return Latents(lower, normal_sample(key_upper, *upper_given(params, lower)))

    def decode(params: Params, z: Latents | Lower, key: PRNGKeyArray | None = None) -> Outputs:
        return backbone.networks.decode(params, z.lower if isinstance(z, Latents) else z, key)

    def log_prior(params: Params, z: Latents) -> PerExample:
        upper = normal_log_prob(z.upper, jnp.zeros_like(z.upper), jnp.zeros_like(z.upper)).sum(axis=-1)
        return upper + normal_log_prob(z.lower, *lower_given(params, z.upper)).sum(axis=-1)

    def log_posterior(params: Params, posterior: Posterior, z: Latents) -> PerExample:
        lower = normal_log_prob(z.lower, *posterior).sum(axis=-1)
        return lower + normal_log_prob(z.upper, *upper_given(params, z.lower)).sum(axis=-1)

    def kl_terms(params: Params, posterior: Posterior, z: Latents) -> Float[Array, "B K"]:
        # K = Z + U. Upper: in closed form given the sampled lower z. Lower: the log ratio at z, because p(lower|upper)
        # itself depends on the sampled z, so there is no closed form.
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
        log_likelihood=backbone.log_likelihood,
        pixel_mean=backbone.pixel_mean,
        log_prior=log_prior,
        log_posterior=log_posterior,
        kl_terms=kl_terms,
        sample_prior=sample_prior,
    )


def _make_conditionals(config: Config) -> tuple[Callable[..., Params], Conditional, Conditional]:
    """Make (init, q(upper|lower), p(lower|upper)); `init` returns params["layers"], the others a mean and log variance."""
    size = config.latent_dim
    between = deepcopy(config)
    between.hidden_dims, between.latent_dim, between.dropout = config.upper_hidden_dims, config.upper_latent_dim, 0.0
    # To the networks between the layers, the lower z is an image of one pixel with Z channels.
    networks = NETWORKS["mlp"](between, (1, 1, size), 2 * config.upper_latent_dim, 2 * size)

    def upper_given(params: Params, lower: Lower) -> Posterior:
        features = networks.encode(params["layers"], lower.reshape(-1, 1, 1, size))
        return Posterior(*jnp.split(features, 2, axis=-1))

    def lower_given(params: Params, upper: Float[Array, "B U"]) -> Posterior:
        return Posterior(*jnp.split(networks.decode(params["layers"], upper).reshape(-1, 2 * size), 2, axis=-1))

    return networks.init, upper_given, lower_given
