"""The overall verdict, computed from the lines."""

import pytest

from vae_jax.evaluation.health import verdicts
from vae_jax.evaluation.health.verdicts import (
    COLLAPSED,
    HEALTHY,
    OVER_REGULARISED,
    OVERFITTING,
    PRIOR_HOLE,
    UNDECIDED,
    Line,
    overall,
)


def units(inactive: int, size: int = 20) -> Line:
    names = verdicts.units_named(range(inactive))
    numbers = {"inactive": list(range(inactive)), "size": size}
    return Line(verdicts.UNITS, "", COLLAPSED if inactive else HEALTHY, names, "a smaller latent_dim", numbers)


def line(name: str, verdict: str, detail: str = "", advice: str = "") -> Line:
    return Line(name, "", verdict, detail, advice)


STARVED = line(verdicts.AMORTISATION, OVER_REGULARISED, "", "a smaller beta")
FED = line(verdicts.AMORTISATION, HEALTHY)
RATE, DIVERGENCE = line(verdicts.RATE, UNDECIDED), line(verdicts.DIVERGENCE, UNDECIDED)
CODES = line(verdicts.CODES, HEALTHY)


@pytest.mark.parametrize(
    ("lines", "verdict", "words"),
    [
        ([units(0), RATE, DIVERGENCE, CODES, FED], HEALTHY, ""),
        ([units(84, 100), RATE, DIVERGENCE, CODES, FED], HEALTHY, "84 of 100 units carry nothing and are not missed"),
        ([units(16), CODES, STARVED], f"{COLLAPSED}, {OVER_REGULARISED}", "z1 z2"),
        ([units(3), CODES, STARVED], OVER_REGULARISED, "3 of 20"),
        ([units(20), CODES, FED], COLLAPSED, "z20" if verdicts.MOST_NAMED >= 20 else "and 10 more"),
        ([units(4), line(verdicts.RATE, COLLAPSED), CODES, FED], COLLAPSED, "z4"),
        (
            [units(0), line(verdicts.GAP, OVERFITTING), line(verdicts.REFINED_GAP, OVERFITTING, "mostly the encoder")],
            OVERFITTING,
            "mostly the encoder",
        ),
        ([units(0), line(verdicts.CODES, PRIOR_HOLE), line(verdicts.GAP, OVERFITTING)], "overfitting, prior hole", ""),
        (
            [units(0), RATE, DIVERGENCE, line(verdicts.CODES, UNDECIDED)],
            HEALTHY,
            "y; 2 of 4 checks undecided (marginal",
        ),
        ([RATE], UNDECIDED, ""),
    ],
)
def test_the_overall_verdict_follows_from_the_lines(lines, verdict, words):
    found = overall(lines)
    assert found.verdict == verdict
    assert words in found.conclusion


def test_the_advice_follows_from_the_cause():
    assert overall([units(16), CODES, STARVED]).advice == "a smaller beta"
    assert overall([units(20), CODES, FED]).advice == "a smaller latent_dim"


def test_a_line_is_printed_on_one_line():
    text = units(2).text
    assert text == "active units           -> collapsed: z1 z2; try a smaller latent_dim"
    assert units(2).as_json()["inactive"] == [0, 1]


def test_the_usefulness_of_codes_is_no_check_that_could_be_undecided():
    unlabelled = line(verdicts.REPRESENTATION, UNDECIDED)
    found = overall([units(0), line(verdicts.CODES, UNDECIDED), unlabelled])
    assert found.note == "1 of 2 checks undecided (codes against draws)"
