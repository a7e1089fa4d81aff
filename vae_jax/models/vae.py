"""The variational autoencoder (Kingma and Welling 2014): standard normal prior, diagonal Gaussian posterior."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_backbone
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.types import Config, Images, Model, Params, PerExample, Posterior

Z = Float[Array, "B Z"]


def make_vae(config: Config, shape: tuple[int, int, int]) -> Model:
    """Make a VAE with `config.latent_dim` latent dimensions for images of shape (H, W, C)."""
    backbone = make_backbone(config, shape, 2 * config.latent_dim)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        return Posterior(*jnp.split(backbone.networks.encode(params, x, key), 2, axis=-1))

    def reparameterize(params: Params, key: PRNGKeyArray, posterior: Posterior) -> Z:
        return normal_sample(key, posterior.mean, posterior.logvar)

    def log_prior(params: Params, z: Z) -> PerExample:
        return normal_log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z)).sum(axis=-1)

    def log_posterior(params: Params, posterior: Posterior, z: Z) -> PerExample:
        return normal_log_prob(z, posterior.mean, posterior.logvar).sum(axis=-1)

    def kl_terms(params: Params, posterior: Posterior, z: Z) -> Float[Array, "B K"]:
        return normal_kl_standard(posterior.mean, posterior.logvar)

    def sample_prior(params: Params, key: PRNGKeyArray, n: int) -> Z:
        return jax.random.normal(key, (n, config.latent_dim))

    return Model(
        init=backbone.init,
        encode=encode,
        reparameterize=reparameterize,
        decode=backbone.networks.decode,
        log_likelihood=backbone.log_likelihood,
        pixel_mean=backbone.pixel_mean,
        log_prior=log_prior,
        log_posterior=log_posterior,
        kl_terms=kl_terms,
        sample_prior=sample_prior,
    )
