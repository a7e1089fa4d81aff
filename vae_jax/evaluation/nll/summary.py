"""A record in numbers: the mean and its two errors, under the right name, and how far it can be trusted."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.evaluation.estimators import curve_sizes
from vae_jax.evaluation.nll.record import GIVEN, Facts, Record

QUANTILES = (0.05, 0.5, 0.95)
CAVEATS = {
    "nll": "",
    "log_density_bound": "{likelihood} is a density over pixels: its bound depends on their scale, and is not an nll",
    "grey_bound": "on {pixels} pixels a Bernoulli likelihood is not a mass: this is a bound (on the mean log p of "
    "their binarisations too), and not an nll",
}


class Summary(NamedTuple):
    """The summary of a record; nats per image."""

    metric: str
    """The name of the mean bound, such as `test/iwae_5000`."""
    metrics: dict[str, float]
    """The mean bound, with `nll` and `bits_per_dim` for discrete pixels."""
    caveat: str
    """The reason why the bound is not an nll; empty if it is one."""
    monte_carlo_error: float
    """The standard error of the mean over these images, due to the samples. NaN for one sample."""
    image_error: float
    """The standard error of the mean for other images of this kind; it includes that of the samples. NaN for one image."""
    curve: dict[int, float]
    """S -> mean bound with S samples."""
    quantiles: dict[str, dict[float, float]]
    """`ess`, `largest`, `pareto_k` -> share of images -> value."""
    untrusted: float
    """The share of images whose estimate cannot be trusted; NaN for annealing, which has too few chains to tell."""


class Paired(NamedTuple):
    """The mean difference of two records of the same images, nats per image."""

    difference: float
    error: float
    """The standard error over images, which includes that of both records' samples. NaN for one image."""


def summarize(record: Record) -> Summary:
    """Summarize a record: means over its images, in float64."""
    facts, estimates = record.facts, record.estimates
    split, samples = facts["split"], int(facts["samples"])
    mean, quantity = float(estimates.log_p.mean()), str(facts["quantity"])
    name = f"ais_{facts['temperatures']}" if facts["method"] == "ais" else f"iwae_{samples}"
    kind = _kind(facts)
    given = quantity.removeprefix(kind)
    name = quantity if kind == "log_density_bound" else prefix(facts) + name + given
    metrics = {f"{split}/{name}": mean}
    if kind == "nll":
        bits = -mean / (int(facts["num_elements"]) * math.log(2))
        pair = f"{split}/{'pair_' * ('prior' in facts)}"
        metrics |= {f"{pair}nll{given}": -mean, f"{pair}bits_per_dim{given}": bits}
    return Summary(
        metric=f"{split}/{name}",
        metrics=metrics,
        caveat=caveat(facts),
        monte_carlo_error=float(np.sqrt(np.square(estimates.error).sum()) / record.done),
        image_error=standard_error(estimates.log_p),
        curve=dict(zip(curve_sizes(samples), map(float, estimates.curve.mean(axis=0)), strict=True)),
        quantiles={name: _quantiles(getattr(estimates, name)) for name in ("ess", "largest", "pareto_k")},
        untrusted=math.nan if facts["method"] == "ais" else float(1 - record.trusted.mean()),
    )


def caveat(facts: Facts) -> str:
    """Return the reason why this kind of bound on log p(x) is not an nll, or an empty string if it is one."""
    return CAVEATS[_kind(facts)].format_map(facts)


def prefix(facts: Facts) -> str:
    """Return the prefix for names of this kind of bound, so that they are not mistaken for an nll."""
    return {"nll": "", "grey_bound": f"{facts['pixels']}_", "log_density_bound": "log_density_"}[_kind(facts)]


def _kind(facts: Facts) -> str:
    """Return the quantity of a record without the end that says that it is conditional."""
    return str(facts["quantity"]).removesuffix(GIVEN)


def compare(record: Record, other: Record) -> Paired:
    """Return how much higher a record's log p(x) is than another's, image by image."""
    differences = record.estimates.log_p - other.estimates.log_p
    return Paired(float(differences.mean()), standard_error(differences))


def standard_error(values: Float[np.ndarray, " N"]) -> float:
    """Return the standard error of the mean; NaN for one value."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _quantiles(values: Float[np.ndarray, " N"]) -> dict[float, float]:
    """Return quantiles that are values of the data, because interpolation between infinite values gives NaN."""
    return {q: float(np.quantile(values, q, method="inverted_cdf")) for q in QUANTILES}
