"""The summary of a record: the mean bound under its proper name, its two errors, and how far it can be trusted."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from vae_jax.evaluation.estimators import curve_sizes
from vae_jax.evaluation.nll.record import Facts, Record

QUANTILES = (0.05, 0.5, 0.95)
CAVEATS = {
    "nll": "",
    "log_density_bound": "{likelihood} is a density over pixels: its bound depends on their scale, and is no nll",
    "grey_bound": "on {pixels} pixels a Bernoulli likelihood is no mass: this is a bound (on the mean log p of their "
    "binarisations too), and no nll",
}


class Summary(NamedTuple):
    """The summary of a record, in nats per image."""

    metric: str
    """The name of the mean bound, such as `test/iwae_5000`."""
    metrics: dict[str, float]
    """The mean bound, and for discrete pixels `nll` and `bits_per_dim`."""
    caveat: str
    """The reason why the bound is not an nll; empty if it is one."""
    monte_carlo_error: float
    """The standard error of the mean for these images, caused by sampling. NaN for one sample."""
    image_error: float
    """The standard error of the mean over images, for other such images; it includes that of sampling. NaN for one image."""
    curve: dict[int, float]
    """S -> mean bound with S samples."""
    quantiles: dict[str, dict[float, float]]
    """`ess`, `largest`, `pareto_k` -> share of images -> value."""
    untrusted: float
    """The share of images whose estimate cannot be trusted. NaN for annealing, whose few chains cannot show it."""


class Paired(NamedTuple):
    """The mean difference of two records of the same images, nats per image."""

    difference: float
    error: float
    """Its standard error over images, which includes the sampling error of both records. NaN for one image."""


def summarize(record: Record) -> Summary:
    """Return the summary of a record; means over its images in float64."""
    facts, found = record.facts, record.found
    split, samples = facts["split"], int(facts["samples"])
    mean, quantity = float(found.log_p.mean()), str(facts["quantity"])
    name = f"ais_{facts['temperatures']}" if facts["method"] == "ais" else f"iwae_{samples}"
    name = quantity if quantity == "log_density_bound" else prefix(facts) + name
    metrics = {f"{split}/{name}": mean}
    if quantity == "nll":
        bits = -mean / (int(facts["num_elements"]) * math.log(2))
        metrics |= {f"{split}/nll": -mean, f"{split}/bits_per_dim": bits}
    return Summary(
        metric=f"{split}/{name}",
        metrics=metrics,
        caveat=caveat(facts),
        monte_carlo_error=float(np.sqrt(np.square(found.error).sum()) / record.done),
        image_error=standard_error(found.log_p),
        curve=dict(zip(curve_sizes(samples), map(float, found.curve.mean(axis=0)), strict=True)),
        quantiles={name: _quantiles(getattr(found, name)) for name in ("ess", "largest", "pareto_k")},
        untrusted=math.nan if facts["method"] == "ais" else float(1 - record.trusted.mean()),
    )


def caveat(facts: Facts) -> str:
    """Return the reason why this kind of bound on log p(x) is not an nll, or "" if it is one."""
    return CAVEATS[str(facts["quantity"])].format_map(facts)


def prefix(facts: Facts) -> str:
    """Return the prefix of names of such bounds, so that they are not mistaken for bounds on an nll."""
    return {"nll": "", "grey_bound": f"{facts['pixels']}_", "log_density_bound": "log_density_"}[str(facts["quantity"])]


def compare(record: Record, other: Record) -> Paired:
    """Return how much higher the log p(x) of a record is than that of another record, paired by image."""
    differences = record.found.log_p - other.found.log_p
    return Paired(float(differences.mean()), standard_error(differences))


def standard_error(values: Float[np.ndarray, " N"]) -> float:
    """Return the standard error of the mean; NaN for one value."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _quantiles(values: Float[np.ndarray, " N"]) -> dict[float, float]:
    """Return quantiles that are values of the sample, because infinite values cannot be interpolated."""
    return {q: float(np.quantile(values, q, method="inverted_cdf")) for q in QUANTILES}
