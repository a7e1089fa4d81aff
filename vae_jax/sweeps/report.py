"""The report of a sweep: tables, sweep.csv, figures, and one page that compares all runs."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax import data
from vae_jax.artifacts.arrays import examples, labels_of_examples
from vae_jax.artifacts.report import write_comparison
from vae_jax.runs.loading import load_run
from vae_jax.sweeps.plan import Planned, Point, point_text
from vae_jax.sweeps.rate_distortion import rates
from vae_jax.sweeps.results import Finished
from vae_jax.sweeps.summary import Row, csv_text, lines, summarize, table_rows
from vae_jax.system import disk
from vae_jax.system.console import Console
from vae_jax.system.formatting import format_value

NUM_IMAGES = 6


def write_report(
    runs: Sequence[Planned], finished: Sequence[Finished], last: bool, folder: Path, console: Console
) -> None:
    """Print the tables of the finished ones of `runs`, at least one, and write the files to `folder`; see `results.finished`."""
    from vae_jax.artifacts import figures

    grouped: dict[Point, list[Finished]] = {}
    for run, results in finished:
        grouped.setdefault(run.point, []).append((run, results))
    planned = Counter(run.point for run in runs)
    rows = [summarize(point, [found for _, found in group], planned[point]) for point, group in grouped.items()]
    for kind, (columns, cells) in table_rows(rows, format_value).items():
        console.line()
        console.table(f"test, mean ± standard error over seeds ({kind}; nats per image)", columns, cells)
    disk.make_folder("--output", folder)
    disk.write(folder / "sweep.csv", csv_text(rows))
    console.line(f"\nwritten to {folder}:\n  sweep.csv")
    drawn: dict[str, Any] = {
        "sweep": figures.fig_sweep(rows[0].point[0][0], lines(rows), _title(rows, last)),
        "images": fig_images([group[0][0] for group in grouped.values()], last),
    }
    if last:
        drawn["rate_distortion"] = _fig_rates(finished)
    for name, figure in drawn.items():
        if isinstance(figure, str):
            console.line(f"  no {name}.png: {figure}")
            continue
        disk.write(folder / f"{name}.png", figures.png_bytes(figure))
        console.line(f"  {name}.png")
    write_comparison([run.workdir for run, _ in finished], folder / "compare.html")
    console.line("  compare.html")


def _title(rows: Sequence[Row], last: bool) -> str:
    fewest, most = min(row.seeds for row in rows), max(row.seeds for row in rows)
    seeds = f"{fewest} to {most} seeds" if fewest < most else _counted(most)
    given = ", given the label" * all("given the label" in row.kind for row in rows)
    return f"Test images, {seeds}" + given + ", last checkpoint" * last + ", mean and standard error" * (most > 1)


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'s' * (seeds > 1)}"


def fig_images(runs: Sequence[Planned], last: bool) -> Any:
    """Draw reconstructions and samples of each run, or return why not: the runs have different test images."""
    from vae_jax.artifacts import figures

    originals: Any = None
    pictures = []
    for run in runs:
        loaded = load_run(run.workdir, "latest" if last else "best")
        # The images of a density are those of its pair.
        dataset = data.load(loaded.config if run.config.dataset == "codes" else run.config)
        images = examples(dataset.test, NUM_IMAGES)
        originals = images if originals is None else originals
        if not np.array_equal(images, originals):
            return "the runs do not have the same test images"
        labels = labels_of_examples(loaded.labels_of(dataset, "test"), NUM_IMAGES)
        samples = None if loaded.model.prior is None else loaded.sample(len(images), label=labels)
        pictures.append((point_text(run.point), loaded.reconstruct(images, labels), samples))
    return figures.fig_sweep_images(originals / 255, pictures)


def _fig_rates(finished: Sequence[Finished]) -> Any:
    """Draw rate against distortion, or return why not."""
    from vae_jax.artifacts import figures

    points, why_not = rates([run for run, _ in finished], [results for _, results in finished])
    if why_not:
        return why_not
    seeds = _counted(len({run.seed for run, _ in finished}))
    given = ", given the label" * all("condition" in results for _, results in finished)
    return figures.fig_rate_distortion(points, f"Rate and distortion, test images{given}, last checkpoint, {seeds}")
