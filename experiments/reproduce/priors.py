"""Priors and posteriors compared on one model: python -m experiments.reproduce.priors --table=short [--row=NAME] [--seed=N]

Train every row of a table, with all its seeds, or resume it, each in its own directory below --output. Estimate -log p(x) of the
test images, and the KL from the aggregate posterior to the prior, with the best checkpoint. Each finished run is a row of
results/priors/rows.json; the tables of experiments/reproduce/README.md are made of that file. --table=all takes all tables, in
the order short, whole, sphere, conv, categorical, digits.

--time trains epochs of all rows of a table in turn, and stores the seconds of each; without it nothing is timed, because a study
of days shares its machine. Times below the table are of that machine.

Other --samples than a table's only print its rows.
"""

import json
import shlex
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from experiments.benchmarks.rounds import interleave
from experiments.benchmarks.train_speed import Bench
from experiments.reproduce import priors_tables
from experiments.reproduce.priors_figures import curve_of
from experiments.reproduce.priors_rows import TABLES, Table
from vae_jax import data, train
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import one_of
from vae_jax.evaluation import divergence, health, nll
from vae_jax.runs.loading import load_run
from vae_jax.runs.run import Run
from vae_jax.system import disk
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.types import Config

SHARED = ("seed", "split", "samples", "num_images", "images_digest")
"""The facts of two measurements that must be equal before they are compared image by image."""
ROUNDS = 5
"""The number of epochs of every row that are timed."""


def parse(argv: list[str]) -> Any:
    """Parse the command line; `jobs` are the (table, row, seed) that it selects."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--table", required=True, choices=[*TABLES, "all"], help="the table")
    parser.add_argument("--row", default="all", metavar="ROW", help="a row of the table (all)")
    parser.add_argument("--seed", type=arguments.seed, metavar="N", help="the seed of the runs (all of the table)")
    parser.add_argument("--samples", type=arguments.count, metavar="S", help="samples for each image (the table's)")
    parser.add_argument("--epochs", type=arguments.count, metavar="N", help="train up to epoch N (the table's)")
    parser.add_argument("--time", action="store_true", help="time the rows of the table, and train none")
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs/priors"), metavar="DIR", help="(runs/priors)"
    )
    flags = parser.parse_args(argv)
    flags.tables = list(TABLES) if flags.table == "all" else [flags.table]
    if flags.row != "all" and flags.table == "all":
        parser.error(f"--row={flags.row}: goes with one table, not with --table=all")
    if flags.row != "all":
        one_of("--row", flags.row, [*TABLES[flags.tables[0]].rows, "all"])
    return flags


def make_config(table: Table, row: str, seed: int, data_dir: str, epochs: int | None = None) -> Config:
    """Make the config of a row."""
    keys = {**table.keys, **table.rows[row], "seed": seed}
    keys |= {"num_epochs": epochs} if epochs else {}
    keys |= {"data_dir": data_dir} if "gated" in table.config else {}
    return command_line.read_file(table.config, tuple((key, str(value)) for key, value in keys.items()))


def workdir_of(output: Path, name: str, row: str, seed: int) -> Path:
    """Return the directory of a run."""
    words = "".join(c if c.isalnum() else " " for c in row).split()
    return output / f"{name}-{'-'.join(words)}-s{seed}"


def record_path(output: Path, name: str, row: str, seed: int, samples: int) -> Path:
    """Return the file of a run's estimates; a trial with other samples than the table's has one of its own."""
    request = nll.Request(samples, images=TABLES[name].images)
    trial = "" if samples == TABLES[name].samples else "trial_"
    return workdir_of(output, name, row, seed) / f"{trial}{nll.file_name(request)}"


def measure(run: Run, table: Table, samples: int, path: Path, console: Console) -> nll.Record:
    """Estimate log p(x) of the test images; images that were measured before are kept."""
    request = nll.Request(samples, images=table.images)
    images = nll.images_of(run.config, request)
    started, _ = nll.resume(path, nll.facts_of(run, request, images))
    console.line(f"log p(x) of {len(images):,} test images, {samples:,} samples each: {path}")
    return nll.measure(nll.make_source(run, request), images, started, path)


def numbers_of(run: Run, workdir: Path, measured: nll.Record) -> dict[str, Any]:
    """Return the numbers of a run for rows.json, without its gain."""
    results = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
    summary, dataset = nll.summarize(measured), data.load(run.config)
    apart = divergence.of_split(health.Subject(run.model, run.params, dataset, run.config.seed, run.config.binarize))
    return {
        "elbo": results["test/elbo"],
        "kl": results["test/kl"],
        "nll": -float(measured.estimates.log_p.mean()),
        "image_error": summary.image_error,
        "monte_carlo_error": summary.monte_carlo_error,
        "untrusted": summary.untrusted,
        "aggregate": {"left_out": apart} if isinstance(apart, str) else apart.facts,
        "parameters": results["num_parameters"],
        "epochs": results["epochs"],
        "best_epoch": results["best_epoch"],
        "samples": int(measured.facts["samples"]),
        "images": measured.done,
    }


def train_row(flags: Any, name: str, row: str, seed: int, console: Console) -> None:
    """Train and measure one run, and store its numbers, unless they are those of a trial."""
    table = TABLES[name]
    samples, workdir = flags.samples or table.samples, workdir_of(flags.output, name, row, seed)
    train.train_and_evaluate(make_config(table, row, seed, flags.data_dir, flags.epochs), workdir, console)
    run = load_run(workdir)
    measured = measure(run, table, samples, record_path(flags.output, name, row, seed, samples), console)
    numbers = numbers_of(run, workdir, measured) | ({"curve": curve_of(workdir)} if table.curves else {})
    console.line(f"{row}, seed {seed}: {json.dumps(numbers)}")
    if samples == table.samples and (flags.epochs is None or table.any_epochs):
        priors_tables.keep(name, row, str(seed), numbers)


def gain_of(output: Path, name: str, row: str, seed: int) -> dict[str, float] | None:
    """Return the gain of a run over the first row with the same seed; None if they were not measured on the same images."""
    table, first = TABLES[name], next(iter(TABLES[name].rows))
    own, base = (nll.read(record_path(output, name, one, seed, table.samples)) for one in (row, first))
    if row == first or own is None or base is None or nll.differing(own.facts, base.facts, SHARED):
        return None
    return nll.compare(own, base)._asdict()


def seconds_of(flags: Any, name: str) -> dict[str, list[float]]:
    """Return the seconds of ROUNDS epochs of each row, trained in turn."""
    table = TABLES[name]
    with ExitStack() as files:
        folder = Path(files.enter_context(tempfile.TemporaryDirectory()))
        made = {}
        for number, row in enumerate(table.rows):
            workdir = disk.make_folder("--output", folder / str(number))
            made[row] = Bench(make_config(table, row, 0, flags.data_dir), workdir, files).epoch
        taken, _ = interleave(made, ROUNDS)
    return {row: np.round(seconds, 3).tolist() for row, seconds in taken.items()}


def main(argv: list[str]) -> None:
    """Run the command."""
    flags, console = parse(argv), Console()
    for name in flags.tables:
        table = TABLES[name]
        if flags.time:
            priors_tables.keep(name, "seconds", record.machine(), seconds_of(flags, name))
        else:
            for seed in range(table.seeds) if flags.seed is None else [flags.seed]:
                for row in table.rows if flags.row == "all" else [flags.row]:
                    train_row(flags, name, row, seed, console)
        if flags.samples in (None, table.samples):
            priors_tables.add_gains(name, partial(gain_of, flags.output, name))
            more = f" --epochs={flags.epochs}" if flags.epochs and table.any_epochs else ""
            priors_tables.write(name, f"python -m experiments.reproduce.priors --table={shlex.quote(name)}{more}")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
