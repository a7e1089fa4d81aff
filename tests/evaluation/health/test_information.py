"""Mutual information and the marginal KL on codes with known answers, and mutants of the estimators."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from support.constructed import codes_of, draws, duplicated, exact, normal, perfect, scrambled, useless
from support.models import constructed_model, unused

from vae_jax.evaluation.health import information, lines
from vae_jax.evaluation.health.information import (
    Mixture,
    gaussian_pairs,
    marginal_kl,
    mixture,
    model_pairs,
    mutual_information,
)
from vae_jax.evaluation.health.verdicts import COLLAPSED, HEALTHY, PRIOR_HOLE, UNDECIDED
from vae_jax.models.distributions import normal_log_prob
from vae_jax.types import Model

ERRORS = 4


def pairs_of(codes):
    return gaussian_pairs(codes.z, codes.posterior.mean, codes.posterior.logvar)


def brackets(codes, estimate=mixture):
    found = estimate(pairs_of(codes), codes.log_own)
    return mutual_information(found, codes), marginal_kl(found, codes)


def check_contains(bracket, truth):
    assert bracket.low - ERRORS * bracket.low_error < truth < bracket.high + ERRORS * bracket.high_error


def check_against_brute_force(estimate):
    """Compare with all densities and mixtures of a few codes, computed in a loop."""
    codes = codes_of(draws(7, 2), np.random.default_rng(0).uniform(0.1, 2, (7, 2)))
    q = codes.posterior
    table = np.array([[normal(z[None], q.mean[j : j + 1], q.logvar[j : j + 1])[0] for j in range(7)] for z in codes.z])
    found = estimate(pairs_of(codes), codes.log_own)
    np.testing.assert_allclose(found.with_own, np.logaddexp.reduce(table, axis=1) - math.log(7), rtol=1e-5)
    np.fill_diagonal(table, -np.inf)
    np.testing.assert_allclose(found.without_own, np.logaddexp.reduce(table, axis=1) - math.log(6), rtol=1e-5)


def check_a_linear_gaussian_model(estimate):
    """Check z = mean + noise, both Gaussian: I(x; z) = -Z/2 log v in closed form, and the aggregate is the prior."""
    codes = exact(1500, 2, 0.2)
    rate, divergence = brackets(codes, estimate)
    truth = -math.log(0.2)  # Z = 2
    check_contains(rate, truth)
    check_contains(divergence, 0.0)
    assert 0 <= rate.high - rate.low < 0.2
    assert rate.low < truth + ERRORS * rate.low_error
    assert divergence.low >= 0
    return rate, divergence


CHECKS = [check_against_brute_force, check_a_linear_gaussian_model]


def test_mixtures_agree_with_brute_force_and_with_a_linear_gaussian_model():
    for check in CHECKS:
        check(mixture)
    rate, divergence = check_a_linear_gaussian_model(mixture)
    assert lines.information(rate, 1500, True).verdict == HEALTHY
    assert lines.divergence(divergence).verdict == HEALTHY


def transposed(pairs, log_own):
    whole = pairs(slice(0, len(log_own))).T.copy()
    return mixture(lambda rows: whole[rows].copy(), log_own)


def own_left_in(pairs, log_own):
    found = mixture(pairs, log_own)
    return Mixture(found.with_own, found.with_own)


def not_divided(pairs, log_own):
    found = mixture(pairs, log_own)
    return Mixture(found.with_own + math.log(len(log_own)), found.without_own)


def negative(pairs, log_own):
    found = mixture(lambda rows: -pairs(rows), log_own)
    return Mixture(found.with_own, found.without_own)


def off_by_a_block(pairs, log_own):
    return mixture(lambda rows: pairs(slice(0, rows.stop - rows.start)), log_own)


@pytest.mark.parametrize("mutant", [transposed, own_left_in, not_divided, negative])
def test_mutants_of_the_mixtures_are_detected_by_brute_force(mutant):
    with pytest.raises(AssertionError):
        check_against_brute_force(mutant)


@pytest.mark.parametrize("mutant", [not_divided, negative])
def test_mutants_of_the_mixtures_are_detected_by_a_linear_gaussian_model(mutant):
    with pytest.raises(AssertionError):
        check_a_linear_gaussian_model(mutant)


def test_results_do_not_depend_on_the_block_size(monkeypatch):
    codes = exact(103, 2, 0.3)
    whole = mixture(pairs_of(codes), codes.log_own)
    monkeypatch.setattr(information, "BLOCK", 10)
    np.testing.assert_allclose(mixture(pairs_of(codes), codes.log_own), whole, rtol=1e-10)
    assert not np.allclose(off_by_a_block(pairs_of(codes), codes.log_own), whole)


def test_perfect_codes_are_saturated_and_get_no_verdict():
    codes = perfect(400)
    rate, divergence = brackets(codes)
    assert rate.low == pytest.approx(math.log(400), abs=1e-5)
    # Without its own encoder the density of a code is 0, but the information is at most the KL.
    assert rate.high == pytest.approx(codes.kl.mean())
    line = lines.information(rate, 400, True)
    assert line.verdict == UNDECIDED
    assert "saturated, at least 5.99" in line.text
    assert "ceiling log 400 = 5.99" in line.text
    assert divergence.low == 0
    assert lines.divergence(divergence).verdict == UNDECIDED


def test_useless_codes_have_no_information_and_match_the_prior():
    rate, divergence = brackets(useless(300))
    np.testing.assert_allclose([rate.low, rate.high, divergence.low, divergence.high], 0, atol=1e-5)
    line, whole = (lines.information(rate, 300, columns) for columns in (True, False))
    assert line.verdict == whole.verdict == COLLAPSED
    assert line.advice == "kl_warmup_epochs, free_bits, a smaller beta"
    assert whole.advice == "kl_warmup_epochs, a smaller beta"  # with one KL free bits are refused
    assert lines.divergence(divergence).verdict == HEALTHY


def test_duplicated_dimensions_have_less_information_than_two_and_differ_from_the_prior():
    variance = 0.1
    rate, divergence = brackets(duplicated(1500, variance))
    check_contains(rate, 0.5 * math.log(1 + 2 * (1 - variance) / variance))
    check_contains(divergence, -0.5 * math.log(1 - (1 - variance) ** 2))
    assert lines.divergence(brackets(duplicated(1500, 0.005))[1]).verdict == PRIOR_HOLE


def test_scrambled_codes_differ_from_the_prior():
    """Two crossing lines of width sqrt(v): KL = -log(2 sqrt(2 v)) nats, except for a correction at the crossing."""
    variance = 0.005
    _, divergence = brackets(scrambled(1500, pairs=1, variance=variance))
    check_contains(divergence, -math.log(2 * math.sqrt(2 * variance)))
    assert divergence.low > 0.5 + ERRORS * divergence.low_error


def test_rate_is_the_sum_of_information_and_divergence():
    codes = codes_of(draws(500, 2) * 1.3 + 0.2, 0.3)
    rate, divergence = brackets(codes)
    means = codes.log_own.mean() - codes.log_prior.mean()
    assert rate.low + divergence.high == pytest.approx(means, rel=1e-5)
    assert rate.high + divergence.low == pytest.approx(means, rel=0.02)


def two_layers() -> Model:
    """Make a model whose z is a pair, the second depending on the first: not a diagonal Gaussian over z."""

    def log_posterior(params, q, z):
        lower = normal_log_prob(z[0], q.mean, q.logvar).sum(axis=1)
        return lower + normal_log_prob(z[1], params * z[0], jnp.zeros_like(z[1])).sum(axis=1)

    return constructed_model(
        reparameterize=unused, log_prior=lambda params, z: jnp.zeros(len(z[0])), log_posterior=log_posterior
    )


def test_the_models_own_log_posterior_is_used_for_other_posteriors():
    codes, model = codes_of(draws(30, 2), 0.3), two_layers()
    upper = 0.5 * codes.z + draws(30, 2, seed=5).astype(np.float32)
    own = codes.log_own + normal(upper, 0.5 * codes.z, np.zeros_like(upper))
    pair = codes._replace(z=(codes.z, upper), log_own=np.float32(own))
    pairs, count = information.pairs_of(model, jnp.float32(0.5), pair)
    assert count == 30
    # The term of the second layer is the same under every encoder.
    added = (pair.log_own - codes.log_own)[:, None]
    np.testing.assert_allclose(pairs(slice(3, 9)), pairs_of(codes)(slice(3, 9)) + added[3:9], rtol=1e-4, atol=1e-4)
    plain = constructed_model()
    by_model = model_pairs(plain, jnp.float32(0), codes)(slice(0, 30))
    np.testing.assert_allclose(by_model, pairs_of(codes)(slice(0, 30)), rtol=1e-4, atol=1e-4)
    assert information.pairs_of(plain, jnp.float32(0), codes)[1] == 30
