"""The linear VAE is probabilistic PCA (Tipping and Bishop 1999; Lucas et al. 2019), whose optimum is known in closed form."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, stats

from vae_jax.estimators import log_weight, make_split_bound
from vae_jax.models import make_model
from vae_jax.prepare import epoch_order, prepare

LATENT = 4
LINEAR = {
    "hidden_dims": (),
    "likelihood": "gaussian",
    "sigma_mode": "learned",
    "latent_dim": LATENT,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "schedule_epochs": 1000.0,
    "num_epochs": 1000,
    "batch_size": 128,
}


class Optimum(NamedTuple):
    """The maximum-likelihood solution, its axes those of the SVD."""

    mean: np.ndarray
    loadings: np.ndarray
    """W [D, 4] with orthogonal columns."""
    variances: np.ndarray
    """Of the data along them."""
    noise: float
    """sigma^2."""

    def log_p(self, x: np.ndarray) -> np.ndarray:
        covariance = self.loadings @ self.loadings.T + self.noise * np.eye(len(self.mean))
        return stats.multivariate_normal(self.mean, covariance).logpdf(x)


def closed_form(x: np.ndarray) -> Optimum:
    mean = x.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(x.T, bias=True))
    variances, axes = variances[::-1], axes[:, ::-1]
    noise = variances[LATENT:].mean()
    loadings = axes[:, :LATENT] * np.sqrt(variances[:LATENT] - noise)
    return Optimum(mean, loadings, variances[:LATENT], noise)


def as_params(optimum: Optimum) -> dict:
    """The VAE that has this p(x|z) and its exact posterior, in float64."""
    encoder = optimum.loadings / optimum.variances
    logvar = np.log(optimum.noise / optimum.variances)
    kernel = np.concatenate([encoder, np.zeros_like(encoder)], axis=1)
    return {
        "encoder": {"output": {"kernel": kernel, "bias": np.concatenate([-optimum.mean @ encoder, logvar])}},
        "decoder": {"output": {"kernel": optimum.loadings.T, "bias": optimum.mean}},
        "likelihood": {"logvar": np.float64(math.log(optimum.noise))},
    }


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    """The digits' training images, [N, 64] in [0, 1]."""
    from conftest import small_config

    images = prepare(small_config(**LINEAR)).dataset.train.images
    return images.reshape(len(images), -1) / 255


def test_the_closed_form_is_the_maximum(x):
    best = closed_form(x)
    assert best.log_p(x).mean() > best._replace(noise=best.noise * 1.05).log_p(x).mean()
    assert best.log_p(x).mean() > best._replace(loadings=best.loadings * 1.02).log_p(x).mean()
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    terms = np.log(eigenvalues[:LATENT]).sum() + (64 - LATENT) * math.log(best.noise) + 64 * (1 + math.log(2 * math.pi))
    np.testing.assert_allclose(best.log_p(x).mean(), -terms / 2, rtol=1e-10)


def test_at_the_closed_form_every_weight_is_the_likelihood(make_config, x):
    best = closed_form(x)
    with jax.enable_x64(True):
        model, params = make_model(make_config(**LINEAR), (8, 8, 1)), as_params(best)
        weight = jax.jit(lambda key, x: log_weight(model, params, key, x))
        for seed in range(3):
            found = weight(jax.random.key(seed), x[:500].reshape(-1, 8, 8, 1))
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, best.log_p(x[:500]), atol=1e-6)


@pytest.mark.slow
def test_training_finds_the_closed_form(make_config, x):
    run = prepare(make_config(**LINEAR))
    state = run.state
    for epoch in range(run.config.num_epochs):
        order = epoch_order(run.config.seed, epoch, len(x), run.config.batch_size)
        state, _ = run.chunk(state, *run.feed.images(order), run.key_train)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), state.params)
    decoder, best = params["decoder"]["output"], closed_form(x)
    found = Optimum(decoder["bias"], decoder["kernel"].T, best.variances, math.exp(params["likelihood"]["logvar"]))
    short = best.log_p(x).mean() - found.log_p(x).mean()
    assert 0 <= short < 0.05
    angles = np.degrees(linalg.subspace_angles(found.loadings, best.loadings))
    assert angles.max() < 2
    images = run.dataset.train.images[:200]
    bound = make_split_bound(run.model, 1000)(state.params, jax.random.key(0), images)
    truth = found.log_p(x[:200])
    assert abs((bound - truth).mean()) < 0.02
    elbo = np.asarray(
        jax.vmap(lambda key: log_weight(run.model, state.params, key, jnp.asarray(images) / 255.0))(
            jax.random.split(jax.random.key(1), 200)
        )
    ).mean()
    assert elbo < truth.mean()
