"""From numbers to plain words: one line for each thing that was measured, and one verdict over all."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

COLLAPSED = "collapsed"
OVER_REGULARISED = "over-regularised"
OVERFITTING = "overfitting"
PRIOR_HOLE = "prior hole"
HEALTHY = "healthy"
CANNOT_TELL = "cannot tell"
ILLNESSES = (COLLAPSED, OVER_REGULARISED, OVERFITTING, PRIOR_HOLE)
"""In the order in which they are told: those before explain those behind."""

UNITS, RATE, DIVERGENCE, CODES = "active units", "mutual information", "marginal kl", "codes against draws"
MOMENTS, GAP = "aggregate posterior", "train - test gap"
AMORTISATION, APPROXIMATION, REFINED_GAP = "amortisation gap", "approximation gap", "parts of that gap"
REPRESENTATION = "representation"
WIDTH = 22
MOST_NAMED = 10


class Line(NamedTuple):
    """One thing that was measured, and what it means."""

    name: str
    found: str
    """The numbers with their standard errors, in words."""
    verdict: str
    """One of the words above; of the representation others."""
    detail: str = ""
    """Which units, how much of what."""
    advice: str = ""
    numbers: Mapping[str, Any] = {}

    @property
    def text(self) -> str:
        """`name  found -> verdict: detail; try advice`."""
        return f"{self.name:<{WIDTH}}{self.found} -> {self.told}"

    @property
    def told(self) -> str:
        """`verdict: detail; try advice`."""
        return (
            self.verdict + (f": {self.detail}" if self.detail else "") + (f"; try {self.advice}" if self.advice else "")
        )

    def as_json(self) -> dict[str, Any]:
        """For health.json."""
        return {"verdict": self.verdict, "text": self.text, **self.numbers}


def units_named(units: Sequence[int]) -> str:
    """`z3 z7`, counted from 1 as in the figures; a long list is cut."""
    more = f" and {len(units) - MOST_NAMED} more" if len(units) > MOST_NAMED else ""
    return " ".join(f"z{k + 1}" for k in units[:MOST_NAMED]) + more


def overall(lines: Sequence[Line]) -> Line:
    """One verdict: every illness that a line names.

    Units that carry nothing are an illness where no unit carries anything, or where they are half of all and the elbo asks for
    more information than the encoder gives; else the decoder has no use for them, and leaving them out changes nothing.
    """
    by_name = {line.name: line for line in lines}
    ill: dict[str, Line] = {}
    for line in lines:
        if line.verdict in ILLNESSES and (line.verdict not in ill or not ill[line.verdict].detail):
            ill[line.verdict] = line
    units, notes = by_name.get(UNITS), []
    if units is not None and units.verdict == COLLAPSED and not _starved(units, ill, by_name):
        ill.pop(COLLAPSED)
        notes = [f"{len(units.numbers['inactive'])} of {units.numbers['size']} units carry nothing"]
        notes[0] += "" if OVER_REGULARISED in ill else " and are not missed"
    unknown = [line.name for line in lines if line.verdict == CANNOT_TELL and not _answered(line, by_name)]
    notes += [f"cannot tell: {', '.join(unknown)}"] if unknown else []
    found = [name for name in ILLNESSES if name in ill]
    if not found:
        known = {line.verdict for line in lines} - {CANNOT_TELL}
        return Line("verdict", "", HEALTHY if known else CANNOT_TELL, "; ".join(notes))
    details = [ill[name].detail for name in found if ill[name].detail]
    # Where beta is too large, units are not to be taken away.
    first = OVER_REGULARISED if OVER_REGULARISED in ill else found[0]
    return Line("verdict", "", ", ".join(found), "; ".join([*details, *notes]), ill[first].advice)


def _starved(units: Line, ill: Mapping[str, Line], by_name: Mapping[str, Line]) -> bool:
    share = len(units.numbers["inactive"]) / units.numbers["size"]
    rate = by_name.get(RATE)
    nothing_known = rate is not None and rate.verdict == COLLAPSED
    return share == 1 or nothing_known or (share >= 0.5 and OVER_REGULARISED in ill)


def _answered(line: Line, by_name: Mapping[str, Line]) -> bool:
    """Whether nothing is open that matters: a saturated rate is large enough, and the classifier answers for the bracket of
    mixtures and for moments. What codes are good for is no illness."""
    if line.name in (MOMENTS, DIVERGENCE):
        return CODES in by_name and by_name[CODES].verdict != CANNOT_TELL
    return line.name in (RATE, REPRESENTATION)
