"""The linear VAE is probabilistic PCA (Tipping and Bishop 1999; Lucas et al. 2019), whose optimum is known in closed form."""

import math
import os
import subprocess
import sys
from typing import NamedTuple

import jax
import numpy as np
import pytest
from scipy import linalg, stats

from vae_jax.evaluation.estimators import log_weight, make_split_bound
from vae_jax.models import make_model
from vae_jax.runs.loading import load_run
from vae_jax.training.prepare import prepare
from vae_jax.types import Spec

LATENT = 4
LINEAR = {
    "hidden_dims": (),
    "likelihood": "gaussian",
    "gaussian.sigma_mode": "learned",
    "latent_dim": LATENT,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "schedule_epochs": 1000.0,
    "num_epochs": 1000,
    "batch_size": 128,
}


class Optimum(NamedTuple):
    """The maximum-likelihood solution, with the axes of the SVD."""

    mean: np.ndarray
    loadings: np.ndarray
    """W [D, 4] with orthogonal columns."""
    variances: np.ndarray
    """The variances of the data along the axes."""
    noise: float
    """sigma^2."""

    def log_p(self, x: np.ndarray) -> np.ndarray:
        covariance = self.loadings @ self.loadings.T + self.noise * np.eye(len(self.mean))
        return stats.multivariate_normal(self.mean, covariance).logpdf(x)  # pyright: ignore[reportArgumentType]


def closed_form(x: np.ndarray) -> Optimum:
    mean = x.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(x.T, bias=True))
    variances, axes = variances[::-1], axes[:, ::-1]
    noise = variances[LATENT:].mean()
    loadings = axes[:, :LATENT] * np.sqrt(variances[:LATENT] - noise)
    return Optimum(mean, loadings, variances[:LATENT], noise)


def as_params(optimum: Optimum) -> dict:
    """Return the parameters of a VAE with this p(x|z) and its exact posterior, in float64."""
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
    """Return the training images of the digits, [N, 64] in [0, 1]."""
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


def test_at_the_closed_form_every_weight_equals_the_likelihood(make_config, x):
    best = closed_form(x)
    with jax.enable_x64(True):
        model, params = make_model(make_config(**LINEAR), Spec((8, 8, 1))), as_params(best)
        weight = jax.jit(lambda key, x: log_weight(model, params, key, x))
        for seed in range(3):
            found = weight(jax.random.key(seed), x[:500].reshape(-1, 8, 8, 1))
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, best.log_p(x[:500]), atol=1e-6)


@pytest.mark.slow
def test_training_converges_to_the_closed_form(x, tmp_path):
    sparing = {"eval.every_epochs": 500, "checkpoint.every_epochs": 500, "log.tensorboard": False}
    flags = [f"--config.{name}={value}" for name, value in (LINEAR | sparing).items()]
    command = [sys.executable, "-m", "vae_jax.main", "--config=configs/base.py", f"--workdir={tmp_path}", *flags]
    # JAX as for a user: one device, with optimisations.
    plain = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    subprocess.run(command, check=True, env=plain | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"})
    run, best = load_run(tmp_path, "latest"), closed_form(x)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), run.params)
    decoder = params["decoder"]["output"]
    noise = math.exp(params["likelihood"]["logvar"])
    found = Optimum(decoder["bias"], decoder["kernel"].T, best.variances, noise)
    short = best.log_p(x).mean() - found.log_p(x).mean()
    assert 0 <= short < 0.05
    assert np.degrees(linalg.subspace_angles(found.loadings, best.loadings)).max() < 2
    images = (x[:200] * 255).round().astype(np.uint8).reshape(-1, 8, 8, 1)
    bound = make_split_bound(run.model, 1000)(run.params, jax.random.key(0), images)
    np.testing.assert_allclose(bound.mean(), found.log_p(x[:200]).mean(), atol=0.02)
