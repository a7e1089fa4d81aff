"""Verdicts in plain words: a line for each measurement, and one verdict for the whole."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

COLLAPSED = "collapsed"
OVER_REGULARISED = "over-regularised"
OVERFITTING = "overfitting"
PRIOR_HOLE = "prior hole"
HEALTHY = "healthy"
UNDECIDED = "undecided"
ILLNESSES = (COLLAPSED, OVER_REGULARISED, OVERFITTING, PRIOR_HOLE)
"""The order in which they are printed: earlier ones explain later ones."""

UNITS, RATE, DIVERGENCE, CODES = "active units", "mutual information", "marginal kl", "codes against draws"
MOMENTS, GAP, CODES_USED = "aggregate posterior", "train - test gap", "codes used"
AMORTISATION, APPROXIMATION, REFINED_GAP = "amortisation gap", "approximation gap", "parts of that gap"
REPRESENTATION = "representation"
WIDTH = 22
MOST_NAMED = 10


class Line(NamedTuple):
    """A measurement and its verdict."""

    name: str
    measured: str
    """The numbers with their standard errors, as text."""
    verdict: str
    """One of the words above; lines of the representation have others."""
    detail: str = ""
    """The units or amounts concerned."""
    advice: str = ""
    numbers: Mapping[str, Any] = {}
    note: str = ""
    """The end of the conclusion, after the advice."""

    @property
    def text(self) -> str:
        """The line `name  measured -> verdict: detail; try advice; note`."""
        return f"{self.name:<{WIDTH}}{self.measured} -> {self.conclusion}"

    @property
    def conclusion(self) -> str:
        """The end of the line, `verdict: detail; try advice; note`."""
        advice = f"try {self.advice}" if self.advice else ""
        return "; ".join(filter(None, (self.verdict + (f": {self.detail}" if self.detail else ""), advice, self.note)))

    def as_json(self) -> dict[str, Any]:
        """Return the entry of health.json."""
        return {"verdict": self.verdict, "text": self.text, **self.numbers}


def as_json(lines: Sequence[Line]) -> dict[str, Any]:
    """Return {verdict, name of a line: its entry, ...} for a JSON file."""
    return {"verdict": overall(lines).as_json()} | {line.name: line.as_json() for line in lines}


def units_named(units: Sequence[int]) -> str:
    """Return names such as `z3 z7`, from 1 as in the figures; a long list is cut."""
    more = f" and {len(units) - MOST_NAMED} more" if len(units) > MOST_NAMED else ""
    return " ".join(f"z{k + 1}" for k in units[:MOST_NAMED]) + more


def overall(lines: Sequence[Line]) -> Line:
    """Return one verdict with every illness that a line names; its note counts the checks that are undecided.

    Units without information are an illness only if all units are, or if half of them are and the elbo favours more
    information than the encoder gives. Otherwise the decoder does not need them, and removing them changes nothing.
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
    unknown = [line.name for line in lines if line.verdict == UNDECIDED and not _answered(line, by_name)]
    notes += [f"{len(unknown)} of {_counted(lines)} checks undecided ({', '.join(unknown)})"] if unknown else []
    illnesses = [name for name in ILLNESSES if name in ill]
    if not illnesses:
        known = {line.verdict for line in lines} - {UNDECIDED}
        return Line("verdict", "", HEALTHY if known else UNDECIDED, note="; ".join(notes))
    details = [ill[name].detail for name in illnesses if ill[name].detail]
    # If beta is too large, do not advise to remove units.
    first = OVER_REGULARISED if OVER_REGULARISED in ill else illnesses[0]
    return Line("verdict", "", ", ".join(illnesses), "; ".join(details), ill[first].advice, note="; ".join(notes))


def _counted(lines: Sequence[Line]) -> int:
    """Return the number of checks; the usefulness of codes is none."""
    return sum(line.verdict in (*ILLNESSES, HEALTHY, UNDECIDED) and line.name != REPRESENTATION for line in lines)


def _starved(units: Line, ill: Mapping[str, Line], by_name: Mapping[str, Line]) -> bool:
    share = len(units.numbers["inactive"]) / units.numbers["size"]
    rate = by_name.get(RATE)
    nothing_known = rate is not None and rate.verdict == COLLAPSED
    return share == 1 or nothing_known or (share >= 0.5 and OVER_REGULARISED in ill)


def _answered(line: Line, by_name: Mapping[str, Line]) -> bool:
    """Return True if an undecided line leaves no open question.

    A saturated rate is large enough, the classifier answers for the mixtures and for the moments, and the usefulness of codes
    is not an illness.
    """
    if line.name in (MOMENTS, DIVERGENCE):
        return CODES in by_name and by_name[CODES].verdict != UNDECIDED
    return line.name in (RATE, REPRESENTATION)
