"""The Gaussian with a full covariance matrix, by its Cholesky factor (Kingma and Welling 2019, section 2.5.1)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.distributions import LOG_TWO_PI
from vae_jax.models.networks import first_outputs
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.types import Config, Draw, Params, PerExample


class Gaussian(NamedTuple):
    """The posterior N(mean, L L^T), L lower triangular."""

    mean: Z
    log_diagonal: Z
    """The logarithms of L's diagonal."""
    below: Float[Array, "B T"]
    """The T = Z (Z - 1) / 2 entries of L below its diagonal, row by row."""

    @property
    def factor(self) -> Float[Array, "B Z Z"]:
        """L."""
        rows, columns = np.tril_indices(self.mean.shape[1], -1)
        empty = jnp.zeros((*self.mean.shape, self.mean.shape[1]), self.mean.dtype)
        diagonal = jnp.arange(self.mean.shape[1])
        return empty.at[:, rows, columns].set(self.below).at[:, diagonal, diagonal].set(jnp.exp(self.log_diagonal))


def make_full(config: Config) -> PosteriorFamily:
    r"""Make q(z|x) = N(mean, L L^T); its KL from N(0, I) is in closed form, one number for each image.

    .. math:: z = \mu + L \epsilon, \quad \mathrm{KL} = \tfrac{1}{2} \left( \|\mu\|^2 + \|L\|_F^2 - d \right) - \sum_k \log L_{kk}
    """
    size = config.latent_dim

    def posterior(features: Features) -> Gaussian:
        return Gaussian(*jnp.split(features, [size, 2 * size], axis=-1))

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Gaussian) -> Draw:
        if key is None:
            return Draw(posterior.mean, _log_density(posterior, jnp.zeros_like(posterior.mean)))
        eps = jax.random.normal(key, posterior.mean.shape, posterior.mean.dtype)
        z = posterior.mean + jnp.einsum("bij,bj->bi", posterior.factor, eps)
        return Draw(z, _log_density(posterior, eps))

    def log_prob(params: Params, posterior: Gaussian, z: Z) -> PerExample:
        apart = (z - posterior.mean)[..., None]
        return _log_density(posterior, jax.scipy.linalg.solve_triangular(posterior.factor, apart, lower=True)[..., 0])

    def kl_terms(posterior: Gaussian) -> Float[Array, "B 1"]:
        mean, log_diagonal, below = posterior
        # exp(2 l) - 1 - 2 l would cancel for a posterior close to the prior.
        diagonal = jnp.expm1(2 * log_diagonal) - 2 * log_diagonal
        return 0.5 * ((jnp.square(mean) + diagonal).sum(axis=1) + jnp.square(below).sum(axis=1))[:, None]

    return PosteriorFamily(
        num_features=2 * size + size * (size - 1) // 2,
        size=size,
        posterior=posterior,
        reparameterize=reparameterize,
        log_prob=log_prob,
        kl_terms=kl_terms,
        layers=lambda layers: layers._replace(encoder=first_outputs(layers.encoder, size)),
    )


def _log_density(posterior: Gaussian, eps: Z) -> PerExample:
    """Return log q(mean + L eps | x)."""
    return -(0.5 * (LOG_TWO_PI + jnp.square(eps)) + posterior.log_diagonal).sum(axis=1)
