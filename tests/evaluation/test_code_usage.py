"""Tests of the use of codes over a split."""

import numpy as np
import pytest

from vae_jax.evaluation.code_usage import Usage, count_codes, facts
from vae_jax.evaluation.health import codes_used, overall
from vae_jax.evaluation.health.verdicts import COLLAPSED


def test_perplexity_is_the_number_of_codes_that_are_equally_used():
    assert Usage(np.full((1, 64), 3)).perplexity == pytest.approx(64)
    assert Usage(np.array([[0, 7, 0]])).perplexity == pytest.approx(1)
    unequal = Usage(np.array([[6, 3, 3, 0]]))
    assert unequal.perplexity == pytest.approx(2**1.5)
    assert unequal.metrics == {"codes_used": 3, "code_perplexity": unequal.perplexity}


def test_codes_of_every_run_are_counted_over_images_and_places(key):
    codes = np.array([[[0, 1], [1, 3]], [[2, 2], [2, 2]]])
    np.testing.assert_array_equal(count_codes(codes, 4).counts, [[[1, 2, 0, 1]], [[0, 0, 4, 0]]])
    np.testing.assert_array_equal(count_codes(codes[0], 5).counts, [[1, 2, 0, 1, 0]])


def test_codes_of_every_level_are_counted_apart():
    codes = np.array([[0, 3, 1, 3], [0, 2, 0, 3]])  # of two images, two places and two levels
    usage = count_codes(codes, 4, 2)
    np.testing.assert_array_equal(usage.counts, [[3, 1, 0, 0], [0, 0, 1, 3]])
    np.testing.assert_array_equal(count_codes(codes[None], 4, 2).counts, usage.counts[None])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert usage.metrics == {"codes_used": 4, "code_perplexity": pytest.approx(np.exp(entropy))}
    mixed = Usage(np.array([[5, 5, 5, 5], [0, 20, 0, 0]]))
    assert mixed.perplexity == pytest.approx(2)  # of perplexities 4 and 1
    assert Usage(np.full((2, 64), 3)).perplexity == pytest.approx(64)
    line = codes_used(usage, 4 * np.log(4), 2)
    assert line.text == "codes used            4 of 8, perplexity 1.8; 4 codes of 4: 5.55 nats -> healthy"
    assert facts(usage, 1.0, 2)["codes"] | {"nats": 0} == {
        "per_image": 4,
        "size": 4,
        "levels": 2,
        "nats": 0,
        "counts": [3, 1, 0, 0, 0, 0, 1, 3],
    }
    same = codes_used(Usage(np.array([[0, 8], [8, 0]])), 0.7, 8)
    assert same.verdict == COLLAPSED


def test_the_line_says_how_many_codes_are_used_and_what_they_cost():
    usage = Usage(np.array([[8, 8, 0, 0]]))
    text = "codes used            2 of 4, perplexity 2.0; 2 codes of 4: 2.77 nats -> healthy"
    assert codes_used(usage, 2.7726, 8).text == text
    assert facts(usage, 2.7726, 8)["codes"] == {
        "per_image": 2,
        "size": 4,
        "levels": 1,
        "nats": 2.7726,
        "counts": [8, 8, 0, 0],
    }
    same = codes_used(Usage(np.array([[0, 8]])), 0.7, 8)
    assert (same.verdict, same.detail[:29]) == (COLLAPSED, "all images have the same code")
    random = codes_used(usage, 1e-3, 8)
    assert (random.verdict, random.detail[:26]) == (COLLAPSED, "the drawn codes do not dep")


def test_a_model_of_which_most_codes_are_dead_is_collapsed_and_the_line_says_what_to_try():
    usage = Usage(np.array([[30, 20, 10, 0, 0, 0, 0, 0]]))
    line = codes_used(usage, 5.0, 30, "a remedy")
    assert usage.dead
    assert (line.verdict, line.detail) == (COLLAPSED, "5 codes are dead: no test image uses them")
    assert overall([line]).conclusion == f"{COLLAPSED}: {line.detail}; try a remedy"
    assert not Usage(np.array([[30, 20, 9, 1, 0, 0, 0, 0]])).dead  # half of them
    same = codes_used(Usage(np.array([[0, 8]])), 0.7, 8, "a remedy")
    assert same.advice == "more epochs, a remedy"


def test_codes_that_few_images_could_not_use_are_not_dead():
    """Of 512 codes 100 equal draws use 512 (1 - (511 / 512)^100) = 91.1 on average."""
    some = np.zeros((1, 512), int)
    some[0, :46] = [2] * 45 + [10]
    assert not Usage(some).dead
    some[0, :46] = [2] * 44 + [12, 0]
    assert Usage(some).dead
