"""The full Gaussian against scipy, the Jacobian of its draw, and its closed-form KL."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from vae_jax.models.posteriors.full import make_full

SIZE = 3


def posteriors(make_config, number=4):
    family = make_full(make_config(latent_dim=SIZE))
    return family, family.posterior(jax.random.normal(jax.random.key(3), (number, family.num_features)))


def test_the_density_is_scipys_for_draws_and_for_any_z(make_config, key):
    family, posterior = posteriors(make_config)
    drawn, still = (family.reparameterize({}, k, posterior) for k in (key, None))
    other = drawn.z + 1.5
    law_of: Any = scipy.stats.multivariate_normal
    assert family.log_prob is not None
    for z, found in [(drawn.z, drawn.log_q), (still.z, still.log_q), (other, family.log_prob({}, posterior, other))]:
        for row in range(4):
            factor = np.asarray(posterior.factor[row], np.float64)
            assert np.allclose(factor, np.tril(factor))
            law = law_of(np.asarray(posterior.mean[row]), factor @ factor.T)
            np.testing.assert_allclose(found[row], law.logpdf(z[row]), rtol=1e-5, atol=1e-5)


def test_the_draw_has_the_cholesky_factor_as_its_jacobian(make_config):
    family, posterior = posteriors(make_config, 1)

    def z_of(mean):
        return family.reparameterize({}, jax.random.key(5), posterior._replace(mean=mean)).z

    keys = jax.random.split(jax.random.key(7), 20_000)
    z = np.asarray(jax.jit(jax.vmap(lambda k: family.reparameterize({}, k, posterior).z[0]))(keys), np.float64)
    factor = np.asarray(posterior.factor[0], np.float64)
    np.testing.assert_allclose(np.cov(z.T), factor @ factor.T, atol=0.15 * np.abs(factor @ factor.T).max())
    np.testing.assert_allclose(jax.jacobian(z_of)(posterior.mean)[0, :, 0], np.eye(SIZE), atol=1e-6)


def test_the_kl_is_the_closed_form_between_gaussians_and_vanishes_at_the_prior(make_config):
    family, posterior = posteriors(make_config)
    assert family.kl_terms is not None
    for row, found in enumerate(family.kl_terms(posterior)[:, 0]):
        factor, mean = np.asarray(posterior.factor[row], np.float64), np.asarray(posterior.mean[row], np.float64)
        covariance = factor @ factor.T
        truth = 0.5 * (np.trace(covariance) + mean @ mean - SIZE - np.linalg.slogdet(covariance)[1])
        np.testing.assert_allclose(found, truth, rtol=1e-5)
    assert float(jnp.abs(family.kl_terms(family.posterior(jnp.zeros((1, family.num_features))))).max()) == 0
