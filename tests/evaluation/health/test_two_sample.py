"""The classifier two-sample test of codes against draws from the prior, on codes with known answers."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from support.constructed import draws, duplicated, exact, scrambled

from vae_jax.evaluation.health import lines, two_sample
from vae_jax.evaluation.health.two_sample import area, two_sample_test
from vae_jax.evaluation.health.verdicts import HEALTHY, PRIOR_HOLE, UNDECIDED

COUNT = 1200


def test_an_aggregate_equal_to_the_prior_has_no_hole():
    found = two_sample_test(exact(COUNT, 2, 0.2).points, draws(COUNT, 2, seed=8), 0)
    assert abs(found.accuracy - 0.5) < 4 * found.accuracy_error
    assert abs(found.auc - 0.5) < 4 * found.auc_error
    assert found.p_value > 1e-4
    assert found.num_held_out == COUNT // 2
    assert lines.two_sample(found).verdict == HEALTHY


def test_shifted_codes_are_classified_with_the_optimal_accuracy():
    """For N(d, 1) against N(0, 1) the best accuracy is Phi(d / 2), and the best AUC is Phi(d / sqrt(2))."""
    shift = 1.5
    found = two_sample_test(draws(4 * COUNT, 1) + shift, draws(4 * COUNT, 1, seed=8), 0)
    assert found.accuracy == pytest.approx(norm.cdf(shift / 2), abs=4 * found.accuracy_error)
    assert found.auc == pytest.approx(norm.cdf(shift / math.sqrt(2)), abs=4 * found.auc_error)


def test_overfitting_of_the_classifier_does_not_count():
    """In 400 dimensions any 100 training points can be separated from 100 others."""
    found = two_sample_test(draws(200, 400), draws(200, 400, seed=8), 0)
    assert abs(found.accuracy - 0.5) < 4 * found.accuracy_error


@pytest.mark.parametrize("codes", [scrambled(COUNT), duplicated(COUNT, 0.002)], ids=["scrambled", "duplicated"])
def test_dependent_dimensions_are_a_hole(codes):
    found = two_sample_test(codes.points, draws(COUNT, codes.points.shape[1], seed=8), 0)
    assert found.p_value < 1e-6
    assert lines.two_sample(found).verdict == PRIOR_HOLE


def test_a_test_with_few_codes_is_inconclusive():
    found = two_sample_test(exact(200, 2, 0.2).points, draws(200, 2, seed=8), 0)
    assert lines.two_sample(found).verdict == UNDECIDED


def check_area(area):
    above, below = draws(300, 1)[:, 0].round(1) + 0.5, draws(200, 1, seed=5)[:, 0].round(1)
    value, error = area(above, below)
    labels = np.repeat([1, 0], [300, 200])
    assert value == pytest.approx(roc_auc_score(labels, np.concatenate([above, below])))
    # For normal values with equal or different counts and widths, the error is known from repetitions.
    again = [area(draws(300, 1, seed=s)[:, 0] + 0.5, draws(200, 1, seed=1000 + s)[:, 0])[0] for s in range(200)]
    assert error == pytest.approx(np.std(again), rel=0.25)
    uneven = [area(4 * draws(300, 1, seed=s)[:, 0], draws(30, 1, seed=1000 + s)[:, 0]) for s in range(200)]
    found, errors = zip(*uneven, strict=True)
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.2)


def test_the_area_agrees_with_scikit_learn_and_its_error_with_repetitions():
    check_area(area)
    with pytest.raises(AssertionError):
        check_area(lambda above, below: area(below, above))
    assert two_sample.area(np.ones(5), np.ones(5))[0] == 0.5
