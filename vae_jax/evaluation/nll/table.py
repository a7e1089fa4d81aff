"""A record as tables for a person and as JSON for a program."""

import json
import math
from pathlib import Path
from typing import Any

from vae_jax.evaluation.estimators import ENOUGH, largest_k
from vae_jax.evaluation.nll.record import GIVEN, Record
from vae_jax.evaluation.nll.summary import QUANTILES, Summary, compare, summarize
from vae_jax.system import disk
from vae_jax.system.console import Console, Value


def print_record(record: Record, console: Console) -> dict[str, Any]:
    """Print the means with their errors, the curve and the diagnostics; return the same as JSON values."""
    facts, summary = record.facts, summarize(record)
    pixels = f"{facts['pixels']} pixels"
    if facts["pixels"] not in ("grey", "colour"):
        pixels += f", our own draw of split_seed={facts['split_seed']}"
    console.line(
        f"{record.done:,} {facts['split']} images of {facts['dataset']} ({pixels}), {facts['which']} checkpoint, step "
        f"{facts['step']:,}, seed {facts['seed']}"
    )
    if str(facts["quantity"]).endswith(GIVEN):
        console.line("bounds on log p(x given y), y the label of the image: not to be compared with bounds on log p(x)")
    if summary.caveat:
        console.line(f"{summary.metric}: {summary.caveat}")
    console.line()
    rows = _means(summary)
    for name in {"kl", f"kl{GIVEN}"} & facts.keys():
        rows.append((f"{facts['split']}/{name}", [float(facts[name]), "-", digits(float(facts[f"{name}_error"]), 2)]))
    console.table("nats per image", ["mean", "Monte Carlo error", "error over images"], rows)
    console.line()
    weights = "chains" if facts["method"] == "ais" else "samples"
    sizes = [f"{size:,}" for size in summary.curve]
    console.table(f"mean bound against the number of {weights}", sizes, [("bound", list(summary.curve.values()))])
    console.line()
    _print_diagnostics(record, summary, console)
    numbers = summary._asdict()
    return {**finite(dict(facts)), **finite(numbers.pop("metrics")), **finite(numbers)}


def _means(summary: Summary) -> list[tuple[str, list[Value]]]:
    """Return the rows (name, [mean, Monte Carlo error, error over images]); bits_per_dim has errors in bits."""
    rows: list[tuple[str, list[Value]]] = []
    for name, value in summary.metrics.items():
        scale = abs(value / summary.metrics[summary.metric])
        errors = summary.monte_carlo_error, summary.image_error
        unit = ", bits" if name.partition("/")[2].startswith("bits_per_dim") else ""
        rows.append((name + unit, [value, *(digits(scale * error, 2) for error in errors)]))
    return rows


def _print_diagnostics(record: Record, summary: Summary, console: Console) -> None:
    annealed, samples = record.facts["method"] == "ais", int(record.facts["samples"])
    names = {"ess": "effective samples", "largest": "largest weight's share", "pareto_k": "Pareto k"}
    rows = [(names[name], [digits(v, 3) for v in values.values()]) for name, values in summary.quantiles.items()]
    title = f"the {samples:,} {'chains' if annealed else 'weights'} of an image, quantiles over images"
    console.table(title, [f"{share:.0%}" for share in QUANTILES], rows)
    if annealed:
        console.line(
            f"annealed importance sampling, {record.facts['temperatures']:,} temperatures: a lower bound on average; its "
            "error does not include what all chains of an image missed"
        )
        return
    above = f", or k above {largest_k(samples):.2g}" if samples > ENOUGH else ""
    console.line(
        f"not to be trusted: {summary.untrusted:.1%} of the images (fewer than {ENOUGH} effective samples{above}): their "
        "bounds may be too low by more than the error says"
    )


def print_comparison(record: Record, other: Record, workdir: Path, console: Console) -> dict[str, Any]:
    """Print the mean difference to the record of the run in workdir; return it as JSON values."""
    paired, metric = compare(record, other), summarize(record).metric
    console.line(
        f"\n{metric}, this run minus the other, on the same {record.done:,} images: {paired.difference:+.2f} ± "
        f"{digits(paired.error, 2)} (standard error over images)"
    )
    sizes = {name: int(other.facts[name]) for name in ("samples", "temperatures")}
    for name, theirs in sizes.items():
        if theirs != (ours := int(record.facts[name])):
            console.line(f"the other has {theirs:,} {name}, not {ours:,}: with more of them a bound is tighter")
    return {"workdir": str(workdir), **sizes, **finite(paired._asdict())}


def write_report(path: Path, report: dict[str, Any], console: Console) -> None:
    """Write NAME.json beside the record NAME.npz."""
    disk.write(path.with_suffix(".json"), json.dumps(report, indent=2) + "\n")
    console.line(f"\nwritten to {path} and {path.with_suffix('.json').name}")


def finite(values: Any) -> Any:
    """Return `values` as JSON has them: None for infinities and NaN, and names as text."""
    if isinstance(values, dict):
        return {str(name): finite(value) for name, value in values.items()}
    return None if isinstance(values, float) and not math.isfinite(values) else values


def digits(value: float, count: int) -> str:
    """Format a number with `count` significant digits, or all digits before the point; NaN is a dash."""
    if math.isnan(value):
        return "-"
    before = math.floor(math.log10(abs(value))) + 1 if value and math.isfinite(value) else 1
    return f"{value:,.{max(0, count - before)}f}"
