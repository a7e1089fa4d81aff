"""The variational autoencoder (Kingma and Welling 2014): standard normal prior, diagonal Gaussian posterior."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.backbone import make_observed
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.models.padding import own_only, widened
from vae_jax.types import Config, Images, Model, Outputs, Params, PerExample, Posterior

Z = Float[Array, "B Z"]


def make_vae(config: Config, shape: tuple[int, int, int]) -> Model:
    """A VAE with `config.latent_dim` dimensions for images of shape (H, W, C)."""
    size = widened(config).latent_dim
    observed = make_observed(config, shape, 2 * size)

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        parts = jnp.split(observed.networks.encode(params, x, key), 2, axis=-1)
        return Posterior(*(own_only(params, part) for part in parts))

    def reparameterize(params: Params, key: PRNGKeyArray, posterior: Posterior) -> Z:
        return own_only(params, normal_sample(key, posterior.mean, posterior.logvar))

    def decode(params: Params, z: Z, key: PRNGKeyArray | None = None) -> Outputs:
        return observed.networks.decode(params, own_only(params, z), key)

    def log_prior(params: Params, z: Z) -> PerExample:
        return own_only(params, normal_log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z))).sum(axis=-1)

    def log_posterior(params: Params, posterior: Posterior, z: Z) -> PerExample:
        return own_only(params, normal_log_prob(z, posterior.mean, posterior.logvar)).sum(axis=-1)

    def kl_terms(params: Params, posterior: Posterior, z: Z) -> Float[Array, "B K"]:
        del params, z  # the encoder's N(0, 1) of a dimension that does nothing has a kl of 0
        return normal_kl_standard(posterior.mean, posterior.logvar)

    def sample_prior(params: Params, key: PRNGKeyArray, n: int) -> Z:
        return own_only(params, jax.random.normal(key, (n, size)))

    return Model(
        init=observed.init,
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
