"""Annealed importance sampling, compared with closed forms and quadrature. Mutants show that the checks detect errors.

The checked identities are exact on average: the means of w / p(x) over forward and of p(x) / w over reverse chains are 1.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from support.models import constructed_model, sample_of, unused

from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import (
    AIS,
    ais,
    ais_estimate,
    annealing,
    beta_schedule,
    hmc,
    make_ais,
    make_split_bound,
    reverse_ais,
    tune_step_sizes,
    upper_bound,
)
from vae_jax.models import make_model, require_prior, require_rate
from vae_jax.models.distributions import normal_log_prob
from vae_jax.types import Model, Posterior, Spec

SHAPE = (4, 3, 1)
PIXELS = (3, 2, 1)
SIGMA = 1.5
NUM_TEMPERATURES, NUM_CHAINS = 24, 4
SMALL, LARGE = 0.4, 1.3
LOADINGS = np.random.default_rng(5).normal(0, 1, (6, 3)).astype(np.float32)
PRIOR_MEAN = np.array([0.5, -1.0, 0.0], np.float32)


def linear_gaussian() -> Model:
    """Make the model x = LOADINGS z + SIGMA noise on six pixels; z ~ N(PRIOR_MEAN, I) has two leaves, one a matrix."""

    def joined(z) -> jax.Array:
        return jnp.concatenate([z["one"], z["two"][:, :, 0]], axis=1)

    def sample_prior(params, key, n, temperature=1.0):
        rows = PRIOR_MEAN[None] + temperature * jax.random.normal(key, (n, 3))
        return {"one": rows[:, :1], "two": rows[:, 1:, None]}

    def log_likelihood(params, x, outputs):
        return normal_log_prob(x, outputs, jnp.full_like(x, 2 * math.log(SIGMA))).sum(axis=(1, 2, 3))

    def log_prior(params, z):
        rows = joined(z)
        return normal_log_prob(rows, jnp.asarray(PRIOR_MEAN)[None], jnp.zeros_like(rows)).sum(axis=1)

    # Annealed importance sampling needs no encoder, so there is none.
    return constructed_model(
        decode=lambda params, z, key=None: (joined(z) @ LOADINGS.T).reshape(-1, *PIXELS),
        log_likelihood=log_likelihood,
        reparameterize=unused,
        log_prior=log_prior,
        sample_prior=sample_prior,
        log_posterior=unused,
    )


class Simulated(NamedTuple):
    x: np.ndarray
    z: dict[str, jax.Array]
    truth: np.ndarray
    """log p(x) [N]."""


@functools.cache
def simulate() -> Simulated:
    model, count, (key_z, key_x) = linear_gaussian(), 1000, jax.random.split(jax.random.key(0))
    z = require_prior(model).sample({}, key_z, count)
    mean = model.decode({}, z)
    x = np.asarray(mean + SIGMA * jax.random.normal(key_x, mean.shape))
    loadings = LOADINGS.astype(np.float64)
    law: Any = multivariate_normal
    law = law(loadings @ PRIOR_MEAN, loadings @ loadings.T + SIGMA**2 * np.eye(6))
    return Simulated(x, z, law.logpdf(x.reshape(count, 6).astype(np.float64)))


def deviation(values: np.ndarray, wanted: float = 0.0) -> float:
    """Return the distance of the mean of independent values from the expected value, in standard errors."""
    return float((values.mean() - wanted) / (values.std(ddof=1) / math.sqrt(len(values))))


class Found(NamedTuple):
    """The bounds and weights that chains give for simulated images."""

    excess: np.ndarray
    """The bound minus log p(x) [N], nats."""
    ratio: np.ndarray
    """The mean over chains of w / p(x), or of p(x) / w for reverse chains [N]: 1 on average."""

    def is_lower(self) -> bool:
        return deviation(self.excess) < 4

    def is_upper(self) -> bool:
        return deviation(self.excess) > -4

    def unbiased(self) -> bool:
        return abs(deviation(self.ratio, 1)) < 4


def step_sizes(share: float) -> np.ndarray:
    """Return `share` times the smallest standard deviation of p(z) p(x|z)^beta; from 2 on the leapfrog is unstable."""
    precision = 1 + beta_schedule(NUM_TEMPERATURES)[1:] * np.linalg.eigvalsh(LOADINGS.T @ LOADINGS)[-1] / SIGMA**2
    return (share / np.sqrt(precision)).astype(np.float32)


def forward(share: float = 0.15) -> Found:
    x, _, truth = simulate()
    chains = make_ais(linear_gaussian(), NUM_TEMPERATURES, NUM_CHAINS)
    found = ais_estimate(chains({}, jax.random.key(1), x, step_sizes(share)))
    return Found(found.log_p - truth, np.exp(found.log_weights - truth[:, None]).mean(axis=1))


def reverse(share: float = 0.15) -> Found:
    x, z, truth = simulate()
    log_weights = reverse_ais(linear_gaussian(), {}, jax.random.key(2), x, z, step_sizes(share), NUM_CHAINS)
    return Found(upper_bound(log_weights) - truth, np.exp(truth[:, None] - log_weights).mean(axis=1))


class Known(NamedTuple):
    """A target that is a normal distribution, and its transition."""

    target: hmc.Target
    mean: np.ndarray
    covariance: np.ndarray
    draws: jax.Array
    """Exact samples of the target [P, 3]."""
    move: Any
    """(keys [P], z [P, 3], step_size) -> (state, acceptance)."""


def known(count: int) -> Known:
    """Return p(z) p(x|z)^0.6 for one image of the linear model."""
    model, (x, z, _), beta = linear_gaussian(), simulate(), 0.6
    same = jnp.broadcast_to(x[:1], (count, *PIXELS))
    target, _ = hmc.make_target(model, {}, same, jax.tree.map(lambda leaf: leaf[:1], z))
    covariance = np.linalg.inv(np.eye(3) + beta / SIGMA**2 * LOADINGS.T @ LOADINGS)
    mean = covariance @ (PRIOR_MEAN + beta / SIGMA**2 * LOADINGS.T @ x[0].reshape(6))
    draws = np.random.default_rng(3).multivariate_normal(mean, covariance, count)

    @jax.jit
    def move(keys, z, size):
        return hmc.transition(target, keys, hmc.state_at(target, z), jnp.float32(beta), size, 10)

    return Known(target, mean, covariance, jnp.asarray(draws, jnp.float32), move)


def worst_moment(share: float) -> float:
    """Return the largest error, in standard errors, of a first or second moment after transitions that keep the target.

    `share` is the step size relative to the target's smallest standard deviation; from 2 on the leapfrog is unstable.
    """
    law = known(4000)
    size, z = jnp.float32(share * math.sqrt(np.linalg.eigvalsh(law.covariance)[0])), law.draws
    for i in range(3):
        z = law.move(jax.random.split(jax.random.key(i), len(z)), z, size)[0].z
    white = np.linalg.solve(np.linalg.cholesky(law.covariance), (np.asarray(z, np.float64) - law.mean).T)
    moments = [*white, *(white[i] * white[j] - (i == j) for i in range(3) for j in range(i, 3))]
    return max(abs(deviation(moment)) for moment in moments)


def with_changed(change):
    """Return the forward path, changed."""
    return lambda sizes: change(annealing.forward_path(sizes))


@pytest.fixture
def trained(make_config):
    """Return a VAE with one latent dimension, a decoder far from its initial values and an uninformative encoder."""
    model = make_model(make_config(latent_dim=1), Spec(SHAPE))
    params = jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4)))
    params = jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(4), leaf.shape), params)

    def encode(params, x, key=None):
        return Posterior(jnp.full((len(x), 1), 3.0), jnp.full((len(x), 1), -4.0))

    return model._replace(encode=encode), params


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 2, (7, *SHAPE), np.uint8) * np.uint8(255)


@pytest.mark.parametrize("num_temperatures", [1, 2, 10, 1000, 10000])
def test_the_schedule_rises_from_0_to_1_with_small_steps_at_both_ends(num_temperatures):
    betas = beta_schedule(num_temperatures)
    assert betas.dtype == np.float64
    assert betas.shape == (num_temperatures + 1,)
    assert (betas[0], betas[-1]) == (0, 1)
    steps = np.diff(betas)
    assert (steps > 0).all()
    np.testing.assert_allclose(steps, steps[::-1], rtol=1e-6)
    assert steps.argmax() in (len(steps) // 2, (len(steps) - 1) // 2) or num_temperatures < 3
    if num_temperatures == 10:  # sigmoid(4 (2 t / T - 1)), t = 1
        ends = [1 / (1 + math.exp(-reach)) for reach in (-4.0, -3.2, 4.0)]
        assert betas[1] == pytest.approx((ends[1] - ends[0]) / (ends[2] - ends[0]))


@pytest.mark.slow
def test_one_temperature_is_importance_sampling_from_the_prior(trained, images, key):
    model, params = trained
    (found,) = make_ais(model, 1, num_chains=3)(params, key, images, np.ones(1, np.float32))
    x = jnp.asarray(images / np.float32(255))
    for i in (0, 6):
        chains = [jax.random.fold_in(jax.random.fold_in(key, i), c) for c in range(3)]
        z = jnp.concatenate([model.prior.sample(params, jax.random.fold_in(chain, 0), 1) for chain in chains])
        wanted = model.log_likelihood(params, jnp.repeat(x[i : i + 1], 3, axis=0), model.decode(params, z))
        np.testing.assert_allclose(found.log_weights[i], wanted, rtol=1e-6)


def test_transitions_leave_their_target_invariant():
    assert worst_moment(SMALL) < 4
    assert worst_moment(LARGE) < 4


def test_the_leapfrog_agrees_with_the_textbook_and_is_reversible():
    law = known(50)
    leapfrog = jax.jit(
        lambda z, momentum: hmc.leapfrog(law.target, hmc.state_at(law.target, z), momentum, beta, sizes, 10)
    )
    momentum, beta = jax.random.normal(jax.random.key(2), law.draws.shape), jnp.float32(0.6)
    sizes = jnp.linspace(0.05, 0.3, 50)[:, None]
    end, last = leapfrog(law.draws, momentum)

    z, p, eps = np.asarray(law.draws), np.asarray(momentum), np.asarray(sizes)
    precision = np.linalg.inv(law.covariance)
    for _ in range(10):
        p = p + eps / 2 * ((law.mean - z) @ precision)
        z = z + eps * p
        p = p + eps / 2 * ((law.mean - z) @ precision)
    np.testing.assert_allclose(end.z, z, atol=1e-4)
    np.testing.assert_allclose(last, p, atol=1e-4)

    assert float(jnp.abs(end.z - law.draws).max()) > 1
    back, first = leapfrog(end.z, -last)
    np.testing.assert_allclose(back.z, law.draws, atol=1e-4)
    np.testing.assert_allclose(-first, momentum, atol=1e-4)


@pytest.mark.slow
def test_a_trajectory_of_a_whole_period_does_not_return_to_its_start():
    """For N(0, I), ten steps of 2 sin(pi / 10) are one period and would return to the start."""
    model, count = linear_gaussian(), 500
    drawn = require_prior(model).sample({}, jax.random.key(1), count)
    target, z = hmc.make_target(model, {}, jnp.zeros((count, *PIXELS)), drawn)
    state, size = hmc.state_at(target, z), jnp.float32(2 * math.sin(math.pi / 10))
    move = jax.jit(lambda keys, state: hmc.transition(target, keys, state, jnp.float32(0), size, 10)[0])
    for i in range(20):
        state = move(jax.random.split(jax.random.key(i), count), state)
    kept = [np.corrcoef(z[:, d], state.z[:, d])[0, 1] for d in range(3)]
    assert max(kept) < 0.3


def test_a_divergent_trajectory_is_rejected(key):
    law = known(4000)
    after, acceptance = law.move(jax.random.split(key, 4000), law.draws, jnp.float32(1e30))
    np.testing.assert_array_equal(after.z, law.draws)
    np.testing.assert_array_equal(acceptance, np.zeros(4000))


def test_forward_and_reverse_chains_bracket_log_p_closely():
    lower, upper = forward(), reverse()
    assert lower.is_lower()
    assert upper.is_upper()
    assert (upper.excess - lower.excess).mean() < 0.3
    assert lower.unbiased()
    assert upper.unbiased()


@pytest.mark.slow
def test_chains_that_hardly_move_still_give_bounds_but_loose_ones():
    lower, upper = forward(0.03), reverse(0.03)
    assert deviation(lower.excess) < -10
    assert deviation(upper.excess) > 10
    assert lower.unbiased()  # 1 / w of reverse chains has no finite variance here


def test_mutant_with_the_wrong_sign_of_the_increments_is_not_a_lower_bound(monkeypatch):
    monkeypatch.setattr(ais, "forward_path", with_changed(lambda path: path._replace(before=-path.before)))
    assert not forward().is_lower()


def test_mutant_whose_increments_follow_the_transitions_is_not_a_lower_bound(monkeypatch):
    monkeypatch.setattr(
        ais, "forward_path", with_changed(lambda path: path._replace(before=path.after, after=path.before))
    )
    found = forward()
    assert not found.is_lower()
    assert not found.unbiased()


def test_mutant_whose_reverse_chains_run_forward_is_not_an_upper_bound(monkeypatch):
    """Chains that mix at once are the same in both orders, so these mix slowly."""
    honest = reverse(0.1)
    assert honest.is_upper()
    assert honest.unbiased()
    monkeypatch.setattr(
        ais, "reverse_path", with_changed(lambda path: path._replace(before=path.after, after=path.before))
    )
    found = reverse(0.1)
    assert not found.is_upper()
    assert not found.unbiased()


def test_mutant_whose_reverse_increments_precede_the_transitions_is_detected(monkeypatch):
    honest = annealing.reverse_path

    def early(sizes):
        path = honest(sizes)
        return path._replace(before=path.after, after=path.before)

    monkeypatch.setattr(ais, "reverse_path", early)
    assert not reverse().unbiased()


def test_mutant_without_rejections_changes_its_target(monkeypatch):
    monkeypatch.setattr(hmc, "accepts", lambda exponential, log_ratio: jnp.ones_like(log_ratio, bool))
    assert worst_moment(LARGE) > 4


@pytest.mark.slow
def test_weights_of_an_image_do_not_depend_on_the_chunk_sizes(trained, images, key):
    model, params = trained
    sizes = np.full(4, 0.3, np.float32)
    whole = ais_estimate(make_ais(model, 4, num_chains=3)(params, key, images, sizes))
    assert whole.log_weights.shape == (7, 3)
    assert len(np.unique(whole.log_weights.round(3))) == 21
    by_two = make_ais(model, 4, num_chains=3, num_bytes=3 * 2 * 4 * math.prod(SHAPE))
    parts = list(by_two(params, key, images, sizes))
    assert [(part.start, len(part.log_weights)) for part in parts] == [(0, 2), (2, 2), (4, 2), (6, 1)]
    found = ais_estimate(parts)
    np.testing.assert_allclose(found.log_weights, whole.log_weights, rtol=1e-3)
    np.testing.assert_allclose(found.acceptance, whole.acceptance, rtol=1e-3)
    tail = ais_estimate(by_two(params, key, images[4:] / np.float32(255), sizes, first=4))
    np.testing.assert_allclose(tail.log_weights, whole.log_weights[4:], rtol=1e-3)


@pytest.mark.slow
def test_reverse_chains_do_not_depend_on_the_chunk_sizes(key):
    x, z, _ = simulate()
    model, sizes = linear_gaussian(), step_sizes(0.15)
    whole = reverse_ais(model, {}, key, x, z, sizes, NUM_CHAINS)
    five = jax.tree.map(lambda leaf: leaf[:5], z)
    parts = reverse_ais(
        model, {}, key, x[:5], five, sizes, NUM_CHAINS, num_bytes=NUM_CHAINS * 2 * 4 * math.prod(PIXELS)
    )
    assert parts.shape == (5, NUM_CHAINS)
    np.testing.assert_allclose(parts, whole[:5], rtol=1e-3)


def quadrature(model: Model, params, x: np.ndarray) -> np.ndarray:
    """Return log p(x) [N] of a model with one latent dimension."""
    grid = np.linspace(-8, 8, 2001, dtype=np.float32)[:, None]
    outputs = model.decode(params, jnp.asarray(grid))
    log_prior, _ = require_rate(model)
    prior = np.asarray(log_prior(params, jnp.asarray(grid)), np.float64)
    rows = [model.log_likelihood(params, jnp.broadcast_to(one, outputs.shape), outputs) for one in x]
    return np.logaddexp.reduce(np.asarray(rows, np.float64) + prior, axis=1) + math.log(grid[1, 0] - grid[0, 0])


@pytest.mark.slow
def test_a_bad_encoder_loosens_importance_weighting_by_a_nat_and_not_annealing(trained, images, key):
    model, params = trained
    truth = quadrature(model, params, images / np.float32(255))
    assert (make_split_bound(model, 500)(params, key, images) < truth - 1).all()
    found = ais_estimate(make_ais(model, 40)(params, key, images, np.full(40, 0.4, np.float32)))
    assert isinstance(found, AIS)
    assert (np.abs(found.log_p - truth) < 4 * found.error + 1e-3).all()
    assert found.error.max() < 0.15


@pytest.mark.slow
def test_step_sizes_tuned_on_some_images_give_the_target_acceptance_on_others(key):
    model, x = linear_gaussian(), simulate().x
    sizes = tune_step_sizes(model, {}, key, x[:20], 60)
    assert sizes.dtype == np.float32
    assert sizes.shape == (60,)
    assert sizes[-1] < sizes[0]  # the posterior is narrower than the prior
    found = ais_estimate(make_ais(model, 60, num_leapfrog=10)({}, key, x[-20:], sizes))
    assert abs(found.acceptance.mean() - 0.65) < 0.05
    assert np.abs(found.acceptance - 0.65).max() < 0.25


def test_a_weight_that_has_become_0_stays_0():
    nothing = jnp.zeros(1)
    total = annealing.Sum(nothing, nothing)
    for term in (-3.0, -jnp.inf, -2.0):
        total = total.add(jnp.full(1, term))
    assert total.value == -jnp.inf


def test_rounding_errors_do_not_accumulate_over_thousands_of_temperatures(key):
    """For a constant log p(x|z), as large as for a colour image, the log weights equal the constant."""
    constant = -12345.678
    model = linear_gaussian()._replace(log_likelihood=lambda params, x, outputs: outputs.sum((1, 2, 3)) * 0 + constant)
    chains = make_ais(model, 3000, num_chains=2, num_leapfrog=1)
    (found,) = chains({}, key, simulate().x[:2], np.full(3000, 0.1, np.float32))
    np.testing.assert_allclose(found.log_weights, constant, atol=2e-3)


def test_a_model_without_a_prior_and_a_wrong_number_of_step_sizes_are_refused(make_config, images, key):
    model = make_model(make_config(model="ae", objective="reconstruction", likelihood="gaussian"), Spec(SHAPE))
    with pytest.raises(InputError, match="no prior"):
        make_ais(model, 5)
    with pytest.raises(InputError, match="no prior"):
        tune_step_sizes(model, {}, key, images, 5)
    with pytest.raises(InputError, match="4 step sizes for 5 temperatures"):
        make_ais(linear_gaussian(), 5)({}, key, images, np.ones(4, np.float32))
