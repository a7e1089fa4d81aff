"""Train a run for each value of a key: python -m experiments.sweep --config=FILE --over=latent_dim=2,100,200 [--seeds=0,1,2]

--over may be given more than once (every combination is trained); keys that change together are written
--over=latent_dim:num_epochs=2:50,100:100. --config.KEY=VALUE holds for all runs. Every run lies in its own directory below
--output, named as vae_jax.main names it: the same command goes on where it stopped, and finished runs are not repeated. A run
that fails is reported and the others go on. At the end: a table (mean and standard error over seeds), sweep.csv, and the
figures sweep.png and images.png.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vae_jax import arguments, cli, data, entry, sweep
from vae_jax import workdir as workdir_lib
from vae_jax.console import Console, format_value
from vae_jax.run import load_run
from vae_jax.train import train_and_evaluate
from vae_jax.types import InputError

NUM_IMAGES = 6


def read_flags(argv: list[str]) -> Any:
    """The parsed command line; `overrides` holds the (key, text) of --config.KEY=VALUE."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="a config file")
    parser.add_argument("--over", action="append", required=True, metavar="KEY=VALUE,...", help="what is swept")
    parser.add_argument(
        "--seeds", type=arguments.seeds, default=(0,), metavar="SEED,...", help="seeds of every value (0)"
    )
    parser.add_argument("--output", type=Path, default=Path("runs"), metavar="DIR", help="where the runs lie (runs)")
    flags, rest = parser.parse_known_args(argv)
    unknown = [word for word in rest if not word.startswith("--config.") or "=" not in word]
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}")
    flags.overrides = cli.parse([f"--config={flags.config}", *rest]).overrides
    return flags


def train(runs: Sequence[sweep.Planned], console: Console) -> list[dict[str, Any] | None]:
    """The results of every run, None where it failed."""
    results: list[dict[str, Any] | None] = []
    for i, run in enumerate(runs):
        console.line(f"\nrun {i + 1} of {len(runs)}: {sweep.point_text(run.point)} seed={run.seed}")
        try:
            found: Any = train_and_evaluate(run.config, run.workdir)
            if found["epochs"] > run.config.num_epochs:
                raise InputError(
                    f"{run.workdir} was trained for {found['epochs']:g} epochs before, more than "
                    f"num_epochs={run.config.num_epochs}; another --output keeps them apart"
                )
            results.append(found)
        except Exception as error:  # whatever it is, the other runs are worth training
            text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            print("\n".join(f"failed: {line}" for line in text.splitlines()), file=sys.stderr)
            results.append(None)
    return results


def show_images(rows: Sequence[sweep.Row], first: Sequence[sweep.Planned]) -> Any:
    """The figure of reconstructions and samples, from the first finished run of every point; None if sizes differ."""
    from vae_jax import figures

    pictures, originals = [], None
    for row, run in zip(rows, first, strict=True):
        loaded = load_run(run.workdir)
        images = data.load(run.config).test.images[:NUM_IMAGES]
        if originals is not None and images.shape != originals.shape:
            return None
        originals = images if originals is None else originals
        samples = None if loaded.model.log_prior is None else loaded.sample(NUM_IMAGES)
        pictures.append((sweep.point_text(row.point), loaded.reconstruct(images), samples))
    assert originals is not None
    return figures.fig_sweep_images(originals / 255, pictures)


def run(argv: list[str]) -> int:
    """Do what the command line says; 1 if every run failed."""
    flags, console = read_flags(argv), Console()
    points = sweep.product(flags.over)
    name = Path(flags.config).stem

    def read(point: sweep.Point) -> Any:
        return cli.read(cli.Flags(flags.config, "", (*flags.overrides, *point), help=False))

    runs = sweep.plan(points, flags.seeds, read, name, workdir_lib.make_folder("--output", flags.output))
    results = train(runs, console)
    rows, first = [], []
    for point in points:
        done = [(r, found) for r, found in zip(runs, results, strict=True) if r.point == point and found is not None]
        if done:
            rows.append(sweep.summarize(point, [found for _, found in done]))
            first.append(done[0][0])
    failed = [r for r, found in zip(runs, results, strict=True) if found is None]
    for r in failed:
        print(f"failed: {sweep.point_text(r.point)} seed={r.seed}: see above", file=sys.stderr)
    if not rows:
        return 1
    names = "-".join(dict.fromkeys(key for key, _ in points[0]))
    digest = hashlib.sha256(" ".join(r.workdir.name for r in runs).encode()).hexdigest()[:6]
    report(rows, first, flags.output / f"sweep-{name}-{names}-{digest}", console)
    return 0


def report(rows: Sequence[sweep.Row], first: Sequence[sweep.Planned], folder: Path, console: Console) -> None:
    """Print the tables, write the CSV and the figures."""
    from vae_jax import figures

    for kind, (columns, cells) in sweep.table_rows(rows, format_value).items():
        console.line()
        console.table(f"test, mean ± standard error over seeds ({kind}; nats per image)", columns, cells)
    workdir_lib.make_folder("--output", folder)
    workdir_lib.write(folder / "sweep.csv", sweep.csv_text(rows))
    seeds = sorted({row.seeds for row in rows})
    counted = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else f"{seeds[0]} seed{'s' * (seeds[0] > 1)}"
    title = f"Test images, {counted}" + (", mean and standard error" if seeds[-1] > 1 else "")
    drawn = {
        "sweep": figures.fig_sweep(rows[0].point[0][0], sweep.lines(rows), title),
        "images": show_images(rows, first),
    }
    console.line(f"\nwritten to {folder}:\n  sweep.csv")
    for name, figure in drawn.items():
        if figure is None:
            console.line(f"  no {name}.png: the images of the runs differ in size")
            continue
        workdir_lib.write(folder / f"{name}.png", figures.png_bytes(figure))
        console.line(f"  {name}.png")


if __name__ == "__main__":
    sys.exit(entry.exit_code(lambda: run(sys.argv[1:]), "stopped; the same command goes on"))
