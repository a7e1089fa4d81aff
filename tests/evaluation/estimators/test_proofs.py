"""Estimates of log p(x), checked in float64 against answers computed in another way.

Each proof is a function, so that the mutants at the end can show that it fails for a wrong estimator.
"""

import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import small_config
from jax.core import Tracer
from support.models import constructed_model

from vae_jax import data
from vae_jax.data import splits
from vae_jax.data.preprocess import make_preprocess
from vae_jax.evaluation.estimators import diagnostics, whole_split
from vae_jax.models import init_shapes, make_model
from vae_jax.models.distributions import normal_log_prob
from vae_jax.objectives import make_objective
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams, make_train_chunk, make_train_step
from vae_jax.types import Model, Posterior, Spec

SAMPLES = 5000
SPEC = Spec((8, 8, 1))
SPACING = 0.09
"""The spacing of the coarser grid over [-6, 6]."""


class Digits(NamedTuple):
    """VAEs with one and two latent dimensions, briefly trained in one program; the smaller one is padded to two."""

    model: dict[int, Model]
    """{latent dimensions: model}; its parameters are below."""
    params: dict[int, dict]
    images: np.ndarray
    """u8[16, 8, 8, 1], the first 12 of them binarised."""
    grey: np.ndarray


@cache
def digits() -> Digits:
    config = small_config(hidden_dims=(16,), activation="tanh", learning_rate=2e-2)
    found = data.load(config)
    train, grey = found.train.images, found.test.images[:16]
    optimizer, rng = make_optimizer(config, 1), np.random.default_rng(0)
    order = rng.integers(0, len(train), (200, 128), np.int32)
    models, params = {}, {}
    for size in (1, 2):
        config.latent_dim = size
        models[size] = make_model(config, SPEC)
        shapes = init_shapes(models[size], SPEC)  # compiling `init` would take a second
        first = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.2, leaf.shape), jnp.float32), shapes)
        step = make_train_step(models[size], make_objective(config, models[size], 1), optimizer)
        chunk = jax.jit(make_train_chunk(step, make_preprocess("dynamic")))
        state = init_state(first, optimizer)
        state, _ = chunk(state, jnp.asarray(train), jnp.asarray(order), jax.random.key(0), make_hparams(config))
        params[size] = jax.device_get(state.params)
    images = np.concatenate([splits.binarize(grey[:12], 0, 0), grey[12:]])
    return Digits(models, params, images, grey)


def layers(params: dict, h: np.ndarray) -> np.ndarray:
    """Compute two dense layers in float64."""
    hidden, output = params["Dense_0"], params["output"]
    h = np.tanh(h @ hidden["kernel"].astype(float) + hidden["bias"])
    return h @ output["kernel"].astype(float) + output["bias"]


def log_normal(z: np.ndarray, mean: float | np.ndarray = 0.0, logvar: float | np.ndarray = 0.0) -> np.ndarray:
    return -0.5 * (math.log(2 * math.pi) + logvar + (z - mean) ** 2 / np.exp(logvar))


def log_joint(size: int, z: np.ndarray) -> np.ndarray:
    """Return log p(x, z) [16, G] at points z [G, size], computed by hand in float64."""
    found = digits()
    logits = layers(found.params[size]["decoder"], z)
    x = found.images.reshape(16, 64) / 255
    return x @ logits.T - np.logaddexp(0, logits).sum(axis=1) + log_normal(z).sum(axis=1)


@cache
def quadrature(size: int) -> np.ndarray:
    """Return log p(x) [16] in float64 on a grid; assert that the grid is fine enough."""
    line = np.arange(-6, 6 + SPACING / 4, SPACING / 2)
    grid = np.stack(np.meshgrid(*[line] * size, indexing="ij"), axis=-1)
    joint = log_joint(size, grid.reshape(-1, size)).reshape(16, *grid.shape[:-1])
    axes = tuple(range(1, size + 1))
    fine = np.logaddexp.reduce(joint, axis=axes) + size * math.log(SPACING / 2)
    coarse = np.logaddexp.reduce(joint[(slice(None), *[slice(None, None, 2)] * size)], axis=axes)
    assert np.abs(coarse + size * math.log(SPACING) - fine).max() < 1e-3
    weights = np.exp(joint.reshape(16, -1) - fine[:, None]) * (SPACING / 2) ** size
    mean = weights @ grid.reshape(-1, size)
    deviation = np.sqrt(weights @ grid.reshape(-1, size) ** 2 - mean**2)
    assert deviation.min() / 3 >= SPACING
    return fine


def measured(
    model: Model, params: dict, images: np.ndarray, samples: int, seeds: int = 1
) -> list[diagnostics.Estimate]:
    """Return one estimate per seed."""
    weights, found = whole_split.make_split_weights(model, samples), []
    for seed in range(seeds):
        blocks = list(weights(params, jax.random.key(seed), images))
        found.append(diagnostics.estimate(np.concatenate([block.log_weights for block in blocks])))
    return found


def moved(params: dict, size: int, shift: float, scale: float) -> dict:
    """Return parameters with shifted and narrower posteriors; p(x) does not change."""
    bias = params["encoder"]["output"]["bias"].copy()
    bias[:size] += shift
    bias[size:] += 2 * math.log(scale)
    output = params["encoder"]["output"] | {"bias": bias}
    return params | {"encoder": params["encoder"] | {"output": output}}


def prove_quadrature(size: int) -> None:
    """Assert that the estimate with trained posteriors equals the integral within its error."""
    found, truth = digits(), quadrature(size)
    [estimate] = measured(found.model[size], found.params[size], found.images, SAMPLES)
    difference = estimate.log_p - truth
    assert (difference <= 4 * estimate.error).all()
    enough = estimate.ess > diagnostics.ENOUGH
    assert enough.mean() > 0.8
    assert (np.abs(difference) <= 4 * estimate.error + 0.01)[enough].all()
    assert ((estimate.curve[:, 0] - truth) < -0.02).any()


def prove_warning(size: int, shift: float, scale: float) -> diagnostics.Estimate:
    """Assert that an estimate is not trusted if a bad posterior makes it wrong by more than its error."""
    found, truth = digits(), quadrature(size)
    [estimate] = measured(found.model[size], moved(found.params[size], size, shift, scale), found.images, SAMPLES)
    difference = estimate.log_p - truth
    assert (difference <= 4 * estimate.error).all()
    wrong = np.abs(difference) > 4 * estimate.error + 0.01
    assert not diagnostics.trusted(estimate, SAMPLES)[wrong].any()
    return estimate


def prove_grey_bound() -> None:
    """Assert that the bound on grey pixels is below the mean over binarisations, because log p(x) is convex in x."""
    found, draws = digits(), 100
    params, x = found.params[2], found.grey[:4].reshape(4, 64) / 255
    binary = np.concatenate([splits.binarize(found.grey[:4], seed, 0) for seed in range(draws)])
    [estimate] = measured(found.model[2], params, np.concatenate([found.grey[:4], binary]), 200)
    grey, bounds = estimate.log_p[:4], estimate.log_p[4:].reshape(draws, 4)
    # Most of the variance is linear in the pixels, and 0 on average.
    slope = layers(params["decoder"], np.split(layers(params["encoder"], x), 2, axis=1)[0])
    bounds = bounds - ((binary.reshape(draws, 4, 64) / 255 - x) * slope).sum(axis=2)
    error = np.hypot(estimate.error[:4], bounds.std(axis=0) / math.sqrt(draws))
    assert (grey <= bounds.mean(axis=0) + 4 * error).all()
    assert (grey <= bounds.mean(axis=0) - 4 * error).any()


def prove_one_sample() -> None:
    """Assert that the bound with one sample is the log weight of the z drawn with its key."""
    found, key = digits(), jax.random.key(0)
    params = found.params[2]
    [estimate] = measured(found.model[2], params, found.images, 1)
    x = found.images / np.float32(255)
    mean, logvar = np.split(layers(params["encoder"], x.reshape(16, 64)), 2, axis=1)

    @jax.jit
    @jax.vmap
    def draw(i):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, i), 0), (2,))

    z = mean + np.exp(logvar / 2) * np.asarray(draw(jnp.arange(16)))
    by_hand = np.diag(log_joint(2, z)) - log_normal(z, mean, logvar).sum(axis=1)
    np.testing.assert_allclose(estimate.log_p, by_hand, rtol=1e-5)
    np.testing.assert_array_equal(estimate.log_p, estimate.curve[:, 0])
    assert np.isnan(estimate.error).all()


NOISE, WIDER = 0.7, 1.5
SLOPES = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 4)))[0] * np.array([0.5, 1.0, 1.5, 2.0])
"""The columns are orthogonal, so that the exact posterior is diagonal: x = SLOPES z + NOISE eps, z ~ N(0, I) in R^4."""
PRECISION = 1 + (SLOPES**2).sum(axis=0) / NOISE**2


def linear_gaussian() -> Model:
    """Make a model whose q has the exact mean and params["wider"] times the exact deviation."""
    slopes, projection = (jnp.asarray(matrix, jnp.float32) for matrix in (SLOPES, SLOPES / NOISE**2 / PRECISION))
    logvar = jnp.asarray(-np.log(PRECISION), jnp.float32)

    def encode(params, x, key=None):
        mean = x.reshape(len(x), 8) @ projection
        return Posterior(mean, jnp.broadcast_to(logvar, mean.shape) + 2 * jnp.log(params["wider"]))

    def log_likelihood(params, x, outputs):
        return normal_log_prob(x, outputs, jnp.full_like(x, 2 * math.log(NOISE))).sum(axis=(1, 2, 3))

    return constructed_model(
        encode=encode,
        decode=lambda params, z, key=None: (z @ slopes.T).reshape(len(z), 4, 2, 1),
        log_likelihood=log_likelihood,
        pixel_mean=lambda params, outputs: outputs,
    )


def prove_linear_gaussian() -> None:
    """Assert that mean, error, effective sample size and bias for a too wide posterior agree with the closed form.

    A weight over its mean is r^4 exp(-(r^2 - 1) |u|^2 / 2) with u ~ N(0, 1) and excess width r: its moments are integrals
    over Gaussians. The bound of S samples is too low by Var / 2S plus the next terms of the series of the logarithm.
    """
    images = np.random.default_rng(1).integers(0, 256, (500, 4, 2, 1), np.uint8)
    x = images.reshape(500, 8) / 255
    covariance = SLOPES @ SLOPES.T + NOISE**2 * np.eye(8)
    truth = -0.5 * ((x @ np.linalg.inv(covariance) * x).sum(axis=1) + np.linalg.slogdet(2 * math.pi * covariance)[1])
    model, few = linear_gaussian(), 50
    [exact] = measured(model, {"wider": np.float32(1)}, images, few)
    np.testing.assert_allclose(exact.curve, np.stack([truth] * 3, axis=1), atol=1e-4)

    second, third = ((WIDER**n / math.sqrt(n * (WIDER**2 - 1) + 1)) ** 4 for n in (2, 3))
    variance, skew = second - 1, third - 3 * second + 2
    params = {"wider": np.float32(WIDER)}
    [many] = measured(model, params, images[:20], SAMPLES)
    assert abs((many.log_p - truth[:20]).mean()) <= 0.01 + np.sqrt(np.square(many.error).sum()) / 20
    np.testing.assert_allclose(many.ess.mean(), SAMPLES / second, rtol=0.05)

    per_image = []
    for estimate in measured(model, params, images, few, seeds=6):
        excess = np.exp(estimate.log_p - truth) - 1
        # Each image has its own samples, so the errors average out.
        assert abs(excess.mean()) <= 4 * math.sqrt(variance / few / len(images))
        per_image.append(estimate.log_p - truth - excess)  # the excess is 0 on average and contains most of the noise
    gap = -np.concatenate(per_image)
    series = variance / (2 * few) - skew / (3 * few**2) + 3 * variance**2 / (4 * few**2)
    assert abs(gap.mean() - series) <= 4 * gap.std() / math.sqrt(len(gap)) + (variance / few) ** 3
    assert gap.mean() == pytest.approx(variance / (2 * few), rel=0.1)


@pytest.mark.parametrize("size", [1, 2])
def test_many_samples_converge_to_the_integral(size):
    prove_quadrature(size)


@pytest.mark.parametrize("size", [1, 2])
def test_a_misplaced_posterior_is_flagged(size):
    estimate = prove_warning(size, 3.0, 0.3)
    assert (estimate.log_p < quadrature(size) - 3).all()
    assert estimate.ess.min() < 3
    prove_warning(size, 1.0, 1.0)


def test_most_images_are_flagged_if_the_posterior_is_too_narrow():
    """Not all images: weights cannot reveal mass that no sample comes near."""
    found = digits()
    [estimate] = measured(found.model[2], moved(found.params[2], 2, 0.0, 0.25), found.images, SAMPLES)
    assert (estimate.log_p - quadrature(2) < -4 * estimate.error - 0.01).mean() > 0.5
    assert diagnostics.trusted(estimate, SAMPLES).mean() < 0.15
    assert np.median(estimate.pareto_k) > 0.7


def test_the_bound_on_grey_pixels_is_below_the_bound_on_their_binarisations():
    prove_grey_bound()


def test_the_bound_with_one_sample_is_the_log_weight_of_its_key():
    prove_one_sample()


def test_error_and_bias_for_a_too_wide_posterior_agree_with_the_closed_form():
    prove_linear_gaussian()


def negated(monkeypatch):
    weigh = whole_split.weigh
    monkeypatch.setattr(whole_split, "weigh", lambda *given: -weigh(*given))


def posterior_added(monkeypatch):
    weigh = whole_split.weigh

    def wrong(model, *given):
        def reparameterize(*posterior):
            draw = model.reparameterize(*posterior)
            return draw._replace(log_q=-draw.log_q)

        return weigh(model._replace(reparameterize=reparameterize), *given)

    monkeypatch.setattr(whole_split, "weigh", wrong)


def shared_samples(monkeypatch):
    fold_range = whole_split.fold_range

    def wrong(key, numbers):
        """Share the keys of samples only: keys of images are not traced, keys of samples are."""
        return fold_range(key, numbers if isinstance(numbers, Tracer) else jnp.zeros_like(numbers))

    monkeypatch.setattr(whole_split, "fold_range", wrong)


def mean_of_logs(monkeypatch):
    monkeypatch.setattr(diagnostics, "log_mean", lambda values: values.mean(axis=-1))


def transposed(monkeypatch):
    estimate = diagnostics.estimate
    monkeypatch.setattr(diagnostics, "estimate", lambda values: estimate(values.T.reshape(values.shape)))


def credulous(monkeypatch):
    monkeypatch.setattr(diagnostics, "ENOUGH", 0)
    monkeypatch.setattr(diagnostics, "largest_k", lambda samples: math.inf)


@pytest.mark.parametrize(
    ("mutant", "proof"),
    [
        (negated, prove_grey_bound),
        (negated, prove_one_sample),
        (posterior_added, prove_one_sample),
        (posterior_added, prove_linear_gaussian),
        (shared_samples, prove_linear_gaussian),
        (mean_of_logs, lambda: prove_quadrature(1)),
        (mean_of_logs, prove_linear_gaussian),
        (transposed, lambda: prove_quadrature(1)),
        (credulous, lambda: prove_warning(1, 3.0, 0.3)),
    ],
)
def test_mutants_are_detected(monkeypatch, mutant, proof):
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        proof()
