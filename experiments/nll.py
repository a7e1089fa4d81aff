"""Estimate log p(x) of a run's images: python -m experiments.nll --workdir=RUN [--samples=5000] [--method=ais] [--against=RUN]

Importance sampling from the run's own posterior: the log of the mean of S weights, a lower bound on log p(x) on average. Prints
the mean with its Monte Carlo error and its error over images, the bound against S, and how far the estimate can be trusted;
writes RUN/nll.npz (a row an image) and RUN/nll.json. The noise of an image depends on --seed and its place alone. Stopped or
killed, the same command goes on with the same bits from RUN/nll.partial.npz; finished, it only prints. Of each split and
checkpoint the last measurement is kept: nll_val.npz, nll_latest.npz, ...

--method=ais: annealed importance sampling, which goes from the prior to the posterior by Hamiltonian Monte Carlo in
--temperatures steps and needs no encoder; --samples chains an image (16). A lower bound on average too, and much slower: some
hundred images (--images) are what a CPU can do. Its file is nll_ais.npz.

--against=OTHER_RUN, measured before on the same images, adds the mean difference image by image.
"""

import json
import math
import sys
from typing import Any

from vae_jax.commands import arguments
from vae_jax.evaluation import nll
from vae_jax.evaluation.estimators import ENOUGH, largest_k
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import load_run
from vae_jax.system import devices, disk, signals
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.system.formatting import Value

FAREWELL = "stopped; the same command goes on"


def read_flags(argv: list[str]) -> Any:
    """The parsed command line."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--workdir", type=arguments.path, required=True, metavar="RUN", help="the run's directory")
    parser.add_argument("--samples", type=arguments.count, metavar="S", help="weights an image (5000; ais: 16)")
    parser.add_argument(
        "--method", choices=[*nll.METHODS], default="importance", help="where weights come from (importance)"
    )
    parser.add_argument(
        "--temperatures", type=arguments.count, metavar="T", help="steps from prior to posterior (ais: 1000)"
    )
    parser.add_argument("--which", choices=["best", "latest"], default="best", help="which checkpoint (best)")
    parser.add_argument("--split", choices=["test", "val", "train"], default="test", help="which images (test)")
    parser.add_argument("--images", type=arguments.count, default=0, metavar="N", help="the first N of them (all)")
    parser.add_argument("--seed", type=arguments.seed, default=0, help="of the samples (0)")
    parser.add_argument(
        "--against", type=arguments.path, metavar="OTHER_RUN", help="a run to compare with, image by image"
    )
    flags = parser.parse_args(argv)
    annealed = flags.method == "ais"
    if flags.temperatures and not annealed:
        parser.error(f"--temperatures={flags.temperatures}: --method={flags.method} has none; choices: --method=ais")
    flags.samples = flags.samples or (16 if annealed else 5000)
    flags.temperatures = (flags.temperatures or 1000) if annealed else 0
    return flags


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    flags, console = read_flags(argv), Console()
    devices.keep_memory(workdir_lib.read_config(flags.workdir))
    run = load_run(flags.workdir, flags.which)
    nll.check_prior(run)
    path = disk.make_folder("--workdir", flags.workdir)
    request = nll.Request(*(getattr(flags, name) for name in nll.Request._fields))
    path = path / nll.file_name(request)
    images = nll.images_of(run.config, request)
    facts = nll.facts_of(run, request, images)
    other = None if flags.against is None else nll.read_other(flags.against, path.name, facts)
    begun, unused = nll.resume(path, facts)
    if unused:
        console.line(f"begun anew: {unused}")
    elif 0 < begun.done < len(images):
        console.line(f"goes on after {begun.done:,} of {len(images):,} images")
    source = nll.make_source(run, request)
    with signals.deferred() as stop, console:

        def advance(count: int) -> None:
            console.count(count)
            if stop.signum is not None:
                raise signals.Stopped(stop.signum, FAREWELL)

        console.start_count(f"log p(x), {flags.samples:,} samples", len(images), begun.done)
        record = nll.measure(source, images, begun, path, advance)
    summary = nll.summarize(record)
    tell(record, summary, console)
    report = as_json(record, summary)
    if other is not None:
        paired = nll.compare(record, other)
        tell_paired(record, other, paired, summary.metric, console)
        report["against"] = {
            "workdir": str(flags.against),
            **{name: other.facts[name] for name in ("samples", "temperatures")},
            **finite(paired._asdict()),
        }
    disk.write(path.with_suffix(".json"), json.dumps(report, indent=2) + "\n")
    console.line(f"\nwritten to {path} and {path.with_suffix('.json').name}")


def tell(record: nll.Record, summary: nll.Summary, console: Console) -> None:
    """Print the means with their errors, the curve, and the diagnostics."""
    facts, samples = record.facts, int(record.facts["samples"])
    pixels = f"{facts['pixels']} pixels"
    if facts["pixels"] not in ("grey", "colour"):
        pixels += f", our own draw of split_seed={facts['split_seed']}"
    console.line(
        f"{record.done:,} {facts['split']} images of {facts['dataset']} ({pixels}), {facts['which']} checkpoint, step "
        f"{facts['step']:,}, seed {facts['seed']}"
    )
    if summary.caveat:
        console.line(f"{summary.metric}: {summary.caveat}")
    rows: list[tuple[str, list[Value]]] = []
    for name, value in summary.metrics.items():
        scale = abs(value / summary.metrics[summary.metric])  # that of bits
        errors = summary.monte_carlo_error, summary.image_error
        unit = ", bits" if name.endswith("/bits_per_dim") else ""
        rows.append((name + unit, [value, *(digits(scale * error, 2) for error in errors)]))
    console.line()
    console.table("nats per image", ["mean", "Monte Carlo error", "error over images"], rows)
    console.line()
    sizes = [f"{size:,}" for size in summary.curve]
    console.table(
        f"mean bound against the number of {'chains' if facts['method'] == 'ais' else 'samples'}",
        sizes,
        [("bound", list(summary.curve.values()))],
    )
    console.line()
    names = {"ess": "effective samples", "largest": "largest weight's share", "pareto_k": "Pareto k"}
    quantiles = [(names[name], [digits(v, 3) for v in found.values()]) for name, found in summary.quantiles.items()]
    annealed = facts["method"] == "ais"
    title = f"the {samples:,} {'chains' if annealed else 'weights'} of an image, quantiles over images"
    console.table(title, [f"{share:.0%}" for share in nll.QUANTILES], quantiles)
    if annealed:
        console.line(
            f"annealed importance sampling, {facts['temperatures']:,} temperatures: a lower bound on average; of what all "
            "chains of an image missed its error knows nothing"
        )
        return
    reasons = f"fewer than {ENOUGH} effective samples" + (
        f", or k above {largest_k(samples):.2g}" if samples > ENOUGH else ""
    )
    console.line(
        f"not to be trusted: {summary.untrusted:.1%} of the images ({reasons}): their bounds may be too low by more than the "
        "error says"
    )


def tell_paired(record: nll.Record, other: nll.Record, paired: nll.Paired, metric: str, console: Console) -> None:
    """Print the mean difference to another run."""
    console.line(
        f"\n{metric}, this run minus the other, on the same {record.done:,} images: {paired.difference:+.2f} ± "
        f"{digits(paired.error, 2)} (standard error over images)"
    )
    for name in ("samples", "temperatures"):
        ours, theirs = (int(each.facts[name]) for each in (record, other))
        if ours != theirs:
            console.line(f"the other has {theirs:,} {name}, not {ours:,}: with more of them a bound is tighter")


def as_json(record: nll.Record, summary: nll.Summary) -> dict[str, Any]:
    """Everything that is printed, for a program to read; what is not finite is null."""
    numbers = summary._asdict()
    return {**record.facts, **finite(numbers.pop("metrics")), **finite(numbers)}


def finite(values: Any) -> Any:
    """The same with None for infinities and NaN, which JSON has not, and text for other names than text."""
    if isinstance(values, dict):
        return {str(name): finite(value) for name, value in values.items()}
    return None if isinstance(values, float) and not math.isfinite(values) else values


def digits(value: float, count: int) -> str:
    """A number with so many significant digits, or all before the point; a dash for NaN."""
    if math.isnan(value):
        return "-"
    before = math.floor(math.log10(abs(value))) + 1 if value and math.isfinite(value) else 1
    return f"{value:,.{max(0, count - before)}f}"


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:]), FAREWELL))
