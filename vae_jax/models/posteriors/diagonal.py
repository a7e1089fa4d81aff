"""The diagonal Gaussian (Kingma and Welling 2014), the posterior of most VAEs."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.types import Config, Draw, Params, PerExample, Posterior


def make_diagonal(config: Config) -> PosteriorFamily:
    r"""Make q(z|x) = N(mean, diag(exp(logvar))); its KL from N(0, I) has one term for each latent dimension.

    .. math:: z = \mu + \sigma \odot \epsilon, \quad
        \mathrm{KL}_k = \tfrac{1}{2} \left( \mu_k^2 + \sigma_k^2 - 1 - \log \sigma_k^2 \right)
    """

    def posterior(features: Features) -> Posterior:
        return Posterior(*jnp.split(features, 2, axis=-1))

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Posterior) -> Draw:
        z = posterior.mean if key is None else normal_sample(key, *posterior)
        return Draw(z, log_prob(params, posterior, z))

    def log_prob(params: Params, posterior: Posterior, z: Z) -> PerExample:
        return normal_log_prob(z, *posterior).sum(axis=-1)

    def kl_terms(posterior: Posterior) -> Float[Array, "B Z"]:
        return normal_kl_standard(*posterior)

    return PosteriorFamily(
        num_features=2 * config.latent_dim,
        size=config.latent_dim,
        posterior=posterior,
        reparameterize=reparameterize,
        log_prob=log_prob,
        kl_terms=kl_terms,
        kl_names=lambda: z_names(config.latent_dim),
        traits=frozenset({"columns"}),
    )


def z_names(size: int, layer: str = "") -> tuple[str, ...]:
    """Return z1, z2, ..., the names of latent dimensions, each with the name of its layer before it."""
    return tuple(f"{layer}z{k + 1}" for k in range(size))
