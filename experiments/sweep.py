"""Train a run for each value of a key: python -m experiments.sweep --config=FILE --over=latent_dim=2,100,200 [--seeds=0,1,2]

--over may be given more than once (every combination is trained); keys that change together are written
--over=latent_dim:num_epochs=2:50,100:100. --config.KEY=VALUE holds for all runs. Every run lies in its own directory below
--output, named as vae_jax.main names it: the same command goes on where it stopped, and finished runs are not repeated. A run
that fails is reported and the others go on.

Runs that differ only in seed, beta, learning_rate or num_epochs can be trained as one program (--population): all of them
take each step together, spread over the devices where their number allows, and each is what it would be alone, in its own
directory, but for rounding. It is meant for an accelerator, which one small run does not fill; on a CPU runs are trained one
after another.

At the end: a table (mean and standard error over seeds), sweep.csv, and the figures sweep.png and images.png. All are of each
run's best checkpoint; but where beta is swept, of its last one, and there is a further figure, rate_distortion.png: kl against
reconstruction. compare.html shows all runs on one page, each at its best checkpoint.
"""

import hashlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax import data, sweeps
from vae_jax.artifacts import report
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import InputError
from vae_jax.runs.run import load_run
from vae_jax.sweeps.population import Outcome, plan_groups, train_runs
from vae_jax.system import devices, disk
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_value
from vae_jax.training import measure

NUM_IMAGES = 6


def read_flags(argv: list[str]) -> Any:
    """The parsed command line; `overrides` holds the (key, text) of --config.KEY=VALUE, `points` what --over means."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="a config file")
    parser.add_argument("--over", action="append", required=True, metavar="KEY=VALUE,...", help="what is swept")
    parser.add_argument(
        "--seeds", type=arguments.seeds, default=(0,), metavar="SEED,...", help="seeds of every value (0)"
    )
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs"), metavar="DIR", help="where the runs lie (runs)"
    )
    parser.add_argument(
        "--population",
        choices=("auto", "on", "off"),
        default="auto",
        help="train runs that can join as one program: auto (the default), where there is an accelerator; on, on a CPU too; "
        "off, one after another",
    )
    flags, rest = parser.parse_known_args(argv)
    unknown = [word for word in rest if not word.startswith("--config.") or "=" not in word]
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}")
    parsed = command_line.parse([f"--config={flags.config}", *rest])
    flags.config, flags.overrides = parsed.config, parsed.overrides
    flags.points = sweeps.product(flags.over)
    swept = {"seed": "--seeds", **{key: "--over" for key, _ in flags.points[0]}}
    for key, value in flags.overrides:
        if key in swept:
            parser.error(f"--config.{key}={value}: {swept[key]} gives each run its own")
    return flags


def accept(run: sweeps.Planned, outcome: Outcome, last: bool) -> dict[str, Any] | None:
    """The results of a run, of its last checkpoint if asked for; None, and lines on the standard error, where it failed."""
    if isinstance(outcome, dict) and outcome["epochs"] > run.config.num_epochs:
        outcome = InputError(
            f"{run.workdir} was trained for {outcome['epochs']:g} epochs before, more than "
            f"num_epochs={run.config.num_epochs}; another --output keeps them apart"
        )
    try:
        if isinstance(outcome, dict):
            return measure.at_latest(run.workdir, outcome) if last else outcome
    except InputError as error:
        outcome = error
    text = str(outcome) if isinstance(outcome, InputError) else f"{type(outcome).__name__}: {outcome}"
    print("\n".join(f"failed: {line}" for line in text.splitlines()), file=sys.stderr)
    return None


def show_images(rows: Sequence[sweeps.Row], first: Sequence[sweeps.Planned], last: bool) -> Any:
    """The figure of reconstructions and samples, from the first finished run of every point; None if runs have other images."""
    from vae_jax.artifacts import figures

    pictures, originals = [], None
    for row, run in zip(rows, first, strict=True):
        loaded = load_run(run.workdir, "latest" if last else "best")
        images = data.load(run.config).test.images[:NUM_IMAGES]
        if originals is not None and not np.array_equal(images, originals):
            return None
        originals = images if originals is None else originals
        samples = None if loaded.model.log_prior is None else loaded.sample(NUM_IMAGES)
        pictures.append((sweeps.point_text(row.point), loaded.reconstruct(images), samples))
    assert originals is not None
    return figures.fig_sweep_images(originals / 255, pictures)


def run(argv: list[str]) -> int:
    """Do what the command line says; 1 if every run failed."""
    flags, console = read_flags(argv), Console()
    points = flags.points
    name = Path(flags.config).stem

    def read(point: sweeps.Point) -> Any:
        return command_line.read_file(flags.config, (*flags.overrides, *point))

    runs = sweeps.plan(points, flags.seeds, read, name, disk.make_folder("--output", flags.output))
    for planned in runs:
        devices.keep_memory(planned.config)
    farewell = f"stopped; continue: python -m experiments.sweep {shlex.join(argv)}"
    groups = plan_groups(runs, flags.population, console)
    outcomes, last = dict(train_runs(runs, groups, console, farewell)), sweeps.over_beta(points)
    results = [accept(planned, outcomes[i], last) for i, planned in enumerate(runs)]
    rows, first = [], []
    for point in points:
        done = [(r, found) for r, found in zip(runs, results, strict=True) if r.point == point and found is not None]
        if done:
            rows.append(sweeps.summarize(point, [found for _, found in done]))
            first.append(done[0][0])
    failed = [r for r, found in zip(runs, results, strict=True) if found is None]
    for r in failed:
        print(f"failed: {sweeps.point_text(r.point)} seed={r.seed}: see above", file=sys.stderr)
    if not rows:
        return 1
    names = "-".join(dict.fromkeys(key for key, _ in points[0]))
    digest = hashlib.sha256(" ".join(r.workdir.name for r in runs).encode()).hexdigest()[:6]
    folder = disk.make_folder("--output", flags.output / f"sweep-{name}-{names}-{digest}")
    tell(rows, first, last, folder, console)
    done = [(r, found) for r, found in zip(runs, results, strict=True) if found is not None]
    if last:
        tell_rates(done, folder, console)
    report.write_comparison([r.workdir for r, _ in done], folder / "compare.html")
    console.line("  compare.html")
    return 0


def tell(
    rows: Sequence[sweeps.Row], first: Sequence[sweeps.Planned], last: bool, folder: Path, console: Console
) -> None:
    """Print the tables, write the CSV and the figures."""
    from vae_jax.artifacts import figures

    for kind, (columns, cells) in sweeps.table_rows(rows, format_value).items():
        console.line()
        console.table(f"test, mean ± standard error over seeds ({kind}; nats per image)", columns, cells)
    disk.write(folder / "sweep.csv", sweeps.csv_text(rows))
    seeds = sorted({row.seeds for row in rows})
    counted = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seed{'s' * (seeds[0] > 1)}"
    counted += ", last checkpoint" if last else ""
    title = f"Test images, {counted}" + (", mean and standard error" if seeds[-1] > 1 else "")
    drawn = {
        "sweep": figures.fig_sweep(rows[0].point[0][0], sweeps.lines(rows), title),
        "images": show_images(rows, first, last),
    }
    console.line(f"\nwritten to {folder}:\n  sweep.csv")
    for name, figure in drawn.items():
        if figure is None:
            console.line(f"  no {name}.png: the runs do not have the same test images")
            continue
        disk.write(folder / f"{name}.png", figures.png_bytes(figure))
        console.line(f"  {name}.png")


def tell_rates(done: Sequence[tuple[sweeps.Planned, dict[str, Any]]], folder: Path, console: Console) -> None:
    """Write the figure of rate against distortion, or say what is in its way."""
    from vae_jax.artifacts import figures

    rates, in_the_way = sweeps.rates([r for r, _ in done], [found for _, found in done])
    if in_the_way:
        console.line(f"  no rate_distortion.png: {in_the_way}")
        return
    seeds = len({r.seed for r, _ in done})
    title = f"Rate and distortion, test images, last checkpoint, {seeds} seed{'s' * (seeds > 1)}"
    disk.write(folder / "rate_distortion.png", figures.png_bytes(figures.fig_rate_distortion(rates, title)))
    console.line("  rate_distortion.png")


if __name__ == "__main__":
    sys.exit(run_command(lambda: run(sys.argv[1:]), "stopped; the same command goes on"))
