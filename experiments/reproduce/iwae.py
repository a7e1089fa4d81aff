"""Table 1 of Burda et al. (2016): python -m experiments.reproduce.iwae --row=1L-iwae-k5 [--schedule=full|short] [--batch_size=N]

Train a row, or resume it, in its own directory below --output. Estimate -log p(x) of the 10,000 binarised test images with
--samples samples from the latest parameters. Add the result to results/iwae.json and write the tables of
experiments/reproduce/README.md again; if --samples is not 5,000, only print them. `--row=all` takes all rows in the table's
order.

Schedule full is that of the paper: stages i = 0 to 7 of 3^i epochs, 3,280 in all, at batches of 20. Schedule short stops after
stage 4: 121 epochs, at batches of 100. The table names the schedule of each row.
"""

import sys
from pathlib import Path
from typing import Any

from experiments.reproduce import iwae_table as table
from experiments.reproduce.iwae_table import GAINS, ROWS, SAMPLES
from vae_jax import train
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import one_of
from vae_jax.evaluation import nll
from vae_jax.runs.loading import load_run
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.types import Config

FILE = "configs/iwae.py"
EPOCHS = {"full": 3280, "short": 121}
BATCH_SIZES = {"full": 20, "short": 100}
SHARED = ("seed", "split", "num_images", "images_digest")
"""Facts that must be equal before two measurements are compared image by image."""


def make_config(name: str, schedule: str, batch_size: int, data_dir: str, seed: int) -> Config:
    """Make the config of a row."""
    row = ROWS[name]
    keys: dict[str, Any] = {"importance.num_samples": row.num_samples, "importance.elbo_weight": row.elbo_weight}
    if row.layers == 2:
        keys |= {"model": "two_layer", "latent_dim": 100}
        keys |= {"two_layer.upper_latent_dim": 50, "two_layer.upper_hidden_dims": "100,100"}
    keys |= {"num_epochs": EPOCHS[schedule], "batch_size": batch_size, "data_dir": data_dir, "seed": seed}
    return command_line.read_file(FILE, tuple((key, str(value)) for key, value in keys.items()))


def parse(argv: list[str]) -> Any:
    """Parse the command line; `rows` has the names of the rows that --row selects."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--row", required=True, metavar="ROW", help=f"{', '.join(ROWS)}, or all")
    parser.add_argument("--schedule", choices=EPOCHS, default="short", help="the number of epochs (short)")
    parser.add_argument(
        "--batch_size", type=arguments.count, metavar="N", help="images per batch (full: 20, short: 100)"
    )
    parser.add_argument("--seed", type=arguments.seed, default=0, help="the seed of the run (0)")
    parser.add_argument("--samples", type=arguments.count, default=SAMPLES, metavar="S", help="per image (5000)")
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument(
        "--output",
        type=arguments.path,
        default=Path("runs/iwae"),
        metavar="DIR",
        help="the folder of the runs (runs/iwae)",
    )
    flags = parser.parse_args(argv)
    flags.rows = list(ROWS) if flags.row == "all" else [one_of("--row", flags.row, [*ROWS, "all"])]
    flags.batch_size = flags.batch_size or BATCH_SIZES[flags.schedule]
    return flags


def workdir_of(name: str, flags: Any) -> Path:
    """Return the directory of a row's run."""
    return flags.output / f"{name}-{flags.schedule}-b{flags.batch_size}-s{flags.seed}"


def measure(name: str, flags: Any, console: Console) -> nll.Record:
    """Estimate log p(x) of the test images with the latest parameters; images that were measured before are kept."""
    workdir = workdir_of(name, flags)
    run, request = load_run(workdir, "latest"), nll.Request(flags.samples, which="latest")
    images = nll.images_of(run.config, request)
    path = workdir / nll.file_name(request)
    started, _ = nll.resume(path, nll.facts_of(run, request, images))
    console.line(f"log p(x) of {len(images):,} test images, {flags.samples:,} samples each: {path}")
    return nll.measure(nll.make_source(run, request), images, started, path)


def row_of(name: str, measured: nll.Record, flags: Any) -> list[Any]:
    """Return the cells of a row of the first table."""
    summary = nll.summarize(measured)
    cells = [
        f"{ROWS[name].published:.2f}",
        f"{-measured.estimates.log_p.mean():.2f}",
        f"{summary.image_error:.2f}",
        f"{summary.monte_carlo_error:.3f}",
        f"{100 * summary.untrusted:.0f}%",
    ]
    return [name, flags.schedule, flags.batch_size, flags.seed, *cells]


def pairs_of(flags: Any) -> list[list[Any]]:
    """Return the rows of the second table: a gain for each pair of rows that were both measured on the same images."""
    file = nll.file_name(nll.Request(flags.samples, which="latest"))
    records = {name: nll.read(workdir_of(name, flags) / file) for name in ROWS}
    records = {name: kept for name, kept in records.items() if kept and kept.facts["samples"] == flags.samples}
    rows = []
    for gain, (fewer, more) in GAINS.items():
        first, second = records.get(fewer), records.get(more)
        if first is None or second is None or nll.differing(first.facts, second.facts, SHARED):
            continue
        paired = nll.compare(second, first)
        difference = f"{paired.difference:.3f} ± {paired.error:.3f}"
        rows.append([gain, flags.schedule, flags.batch_size, flags.seed, difference])
    return rows


def main(argv: list[str]) -> None:
    """Run the command."""
    flags, console = parse(argv), Console()
    for name in flags.rows:
        config = make_config(name, flags.schedule, flags.batch_size, flags.data_dir, flags.seed)
        train.train_and_evaluate(config, workdir_of(name, flags), console)
        rows = [row_of(name, measure(name, flags, console), flags)]
        table.keep("iwae", table.TITLE, table.COLUMNS, rows, table.NOTES, flags.samples)
        if pairs := pairs_of(flags):
            table.keep("iwae_pairs", table.PAIR_TITLE, table.PAIR_COLUMNS, pairs, table.PAIR_NOTES, flags.samples)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
