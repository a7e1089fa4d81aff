"""The summary of the latent space in every final evaluation, on codes with known answers."""

import numpy as np
import pytest
from support.constructed import codes_of, draws, duplicated, exact, perfect, scrambled, useless

from vae_jax.evaluation.health import difference, overall, quick, summarize_latents
from vae_jax.evaluation.health import lines as health_lines
from vae_jax.evaluation.health.summary import gaussian_kl
from vae_jax.evaluation.health.verdicts import COLLAPSED, HEALTHY, PRIOR_HOLE, UNDECIDED


def summary_of(codes, means=None):
    return summarize_latents(codes.means if means is None else means, codes.aggregate(), standard_prior=True)


def check_units(summarize):
    codes = codes_of(draws(2000, 4) * np.array([1, 0.2, 0.05, 0.0]) + np.array([0, 0, 50, 0]), 0.5)
    summary = summarize(codes)
    assert [summary.active(threshold) for threshold in (0.001, 0.01, 0.1)] == [3, 2, 1]
    assert summary.inactive == [2, 3]


def test_active_units_are_counted_at_three_thresholds():
    check_units(summary_of)
    with pytest.raises(AssertionError):
        check_units(lambda codes: summary_of(codes, codes.means.T))
    with pytest.raises(AssertionError):
        check_units(lambda codes: summary_of(codes, codes.z))  # sampled z would count noise as activity


def test_useless_codes_are_collapsed_and_the_units_are_listed():
    line = health_lines.units(summary_of(useless(300)))
    assert line.verdict == COLLAPSED
    assert line.detail == "all 3 units: the decoder ignores z, so reconstructions do not follow the image"
    assert line.text.startswith("active units          0 of 3 (0 above 0.001, 0 above 0.1); kl 0.00 to 0.00")
    half = codes_of(draws(300, 4) * np.array([1, 0, 1, 0]), 0.5)
    line = health_lines.units(summary_of(half))
    assert (line.verdict, line.detail) == (COLLAPSED, "z2 z4")
    assert health_lines.units(summary_of(duplicated(300, 0.1))).verdict == HEALTHY
    assert health_lines.units(summary_of(perfect(300))).verdict == HEALTHY
    many = health_lines.units(summary_of(codes_of(np.zeros((50, 30)) + draws(50, 30) * (np.arange(30) == 0), 0.5)))
    assert "z2 z3" in many.detail
    assert "and 19 more" in many.detail


def test_an_autoregressive_decoder_that_ignores_z_is_collapsed_by_its_kl_whatever_the_units():
    """Units whose means vary by 0.3 are active, and carry 0.18 nats each: hardly a pixel is modelled with them."""
    rng = np.random.default_rng(0)
    summary = summary_of(codes_of(rng.normal(size=(2000, 3)) * np.sqrt(0.3), np.sqrt(0.7)))
    assert summary.inactive == []
    assert 0.4 < summary.kl.sum() < 0.7
    assert health_lines.units(summary).verdict == HEALTHY
    line = health_lines.units(summary, without_z=True)
    assert (line.verdict, line.numbers["inactive"]) == (COLLAPSED, [0, 1, 2])
    assert (
        line.detail == f"kl {summary.kl.sum():.2f} nats: the decoder models images by their own pixels, and ignores z"
    )
    assert line.advice.endswith("fewer pixelcnn.layers")
    assert overall([line]).verdict == COLLAPSED
    assert health_lines.units(summary_of(perfect(300)), without_z=True).verdict == HEALTHY


def test_moments_are_computed_from_the_sampled_codes():
    count = 4000
    summary = summary_of(exact(count, 3, 0.3))
    error = 4 / np.sqrt(count)
    np.testing.assert_allclose(summary.mean, 0, atol=error)
    np.testing.assert_allclose(summary.variance, 1, atol=error * np.sqrt(2))
    assert gaussian_kl(summary.mean, summary.variance)[0] < 0.01
    assert health_lines.moments(summary).verdict == HEALTHY
    away = summary_of(codes_of(2 * draws(count, 3) + 1, 0.5))
    np.testing.assert_allclose(away.variance, 4.5, atol=8 * error * np.sqrt(2))
    assert health_lines.moments(away).verdict == PRIOR_HOLE
    truth = 0.5 * (1 + 4.5 - 1 - np.log(4.5))
    assert gaussian_kl(np.array([1.0]), np.array([4.5])) == (pytest.approx(truth), 0)


@pytest.mark.parametrize(("count", "size", "away"), [(60, 200, 0.0), (359, 20, 0.0), (200, 50, 0.3)])
def test_moments_of_few_images_are_healthy_and_their_error_agrees_with_repetitions(count, size, away):
    """The codes are drawn from N(away, 1) in each dimension."""
    found = []
    for seed in range(200):
        z = away + draws(count, size, seed)
        found.append(gaussian_kl(z.mean(axis=0), z.var(axis=0), count))
    values, errors = np.array(found).T
    # Values are clipped at 0: these are the mean and the deviation of max(0, N(0, 1)).
    mean, deviation = (0, 1) if away else (1 / np.sqrt(2 * np.pi), np.sqrt(0.5 - 0.5 / np.pi))
    truth = 0.5 * size * away**2 + mean * errors.mean()
    assert values.mean() == pytest.approx(truth, abs=5 * values.std() / np.sqrt(200))
    assert errors.mean() * deviation == pytest.approx(values.std(), rel=0.2)
    few = health_lines.moments(summary_of(exact(count, size, 0.2)))
    assert few.verdict == HEALTHY


def test_moments_near_the_threshold_get_no_verdict():
    hole = health_lines.HOLE_NATS
    codes = codes_of(draws(100, 5) + np.sqrt(2 * hole / 5), 1e-4)
    assert health_lines.moments(summary_of(codes)).verdict == UNDECIDED


def test_moments_do_not_detect_scrambled_codes():
    assert health_lines.moments(summary_of(scrambled(3000))).verdict == HEALTHY


def test_a_prior_that_is_not_standard_gets_no_verdict_on_moments():
    codes = exact(100, 3, 0.3)
    summary = summarize_latents(codes.means, codes.aggregate(), standard_prior=False)
    assert health_lines.moments(summary).verdict == UNDECIDED
    assert len(quick(summary)) == len(quick(summary_of(codes))) - 1


def test_the_quick_verdict_on_a_model_that_ignores_z_is_a_sentence_with_advice():
    collapsed, well = np.zeros((3000, 2)), draws(3000, 2)
    aggregate = codes_of(well, 1.0).aggregate()
    found = overall(quick(summarize_latents(collapsed, aggregate, True))).conclusion
    assert all(word in found for word in ("ignores z", "kl_warmup_epochs", "free_bits", "beta"))
    assert overall(quick(summarize_latents(well, aggregate, True))).conclusion == HEALTHY


def test_the_gap_and_its_error_give_the_verdict():
    first, second = draws(1000, 1)[:, 0] + 3, 2 * draws(500, 1, seed=3)[:, 0]
    found = difference(first, second)
    assert found.nats == pytest.approx(first.mean() - second.mean())
    assert found.error == pytest.approx(np.sqrt(1 / 1000 + 4 / 500), rel=0.1)
    assert health_lines.gap(found, 2.0).verdict == "overfitting"
    assert health_lines.gap(found, 100.0).verdict == HEALTHY  # significant, but small beside the spread
    assert health_lines.gap(difference(second, first), 2.0).verdict == HEALTHY
    assert health_lines.gap(found._replace(error=3.0), 2.0).verdict == UNDECIDED
