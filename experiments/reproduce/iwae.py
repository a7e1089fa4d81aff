"""Table 1 of Burda et al. (2016): python -m experiments.reproduce.iwae --row=1L-iwae-k5 [--schedule=full|short] [--batch_size=N]

Trains a row (or goes on with it) in a directory of its own below --output, estimates -log p(x) of the 10,000 binarised test
images by --samples samples from the latest parameters, adds the result to results/iwae.json and writes the tables of
experiments/reproduce/README.md anew; with another number than 5,000 it only shows them. `--row=all` takes the rows one after
another, in the table's order.

Schedules: full is theirs, stages i = 0 to 7 of 3^i epochs, 3,280 in all, at batches of 20; short ends after stage 4, 121
epochs, at batches of 100, and is labelled so.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmarks import record
from vae_jax import train
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.evaluation import nll
from vae_jax.runs.run import load_run
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.types import Config

FILE = "configs/iwae.py"
EPOCHS = {"full": 3280, "short": 121}
BATCH_SIZES = {"full": 20, "short": 100}


class Row(NamedTuple):
    """A cell of Table 1."""

    layers: int
    elbo_weight: int
    """0: IWAE, 1: a VAE with k samples."""
    num_samples: int
    published: float
    """Negative log-likelihood, nats."""


ROWS = {
    "1L-k1": Row(1, 0, 1, 86.76),
    "1L-vae-k5": Row(1, 1, 5, 86.47),
    "1L-vae-k50": Row(1, 1, 50, 86.35),
    "1L-iwae-k5": Row(1, 0, 5, 85.54),
    "1L-iwae-k50": Row(1, 0, 50, 84.78),
    "2L-k1": Row(2, 0, 1, 85.33),
    "2L-vae-k5": Row(2, 1, 5, 85.01),
    "2L-vae-k50": Row(2, 1, 50, 84.78),
    "2L-iwae-k5": Row(2, 0, 5, 83.89),
    "2L-iwae-k50": Row(2, 0, 50, 82.90),
}
"""With one sample both objectives are one."""
GAINS = {
    f"{layers}L-{other} over {layers}L-{one}": (f"{layers}L-{one}", f"{layers}L-{other}")
    for layers in (1, 2)
    for kind in ("iwae", "vae")
    for one, other in (("k1", f"{kind}-k5"), (f"{kind}-k5", f"{kind}-k50"))
}
"""What more samples in training change: a name -> the rows with fewer and with more."""
ORDER = {name: place for place, name in enumerate([*ROWS, *GAINS])}
"""Of rows in a table."""
SHARED = ("seed", "split", "num_images", "images_digest")
"""Facts of two measurements that are compared image by image."""
SAMPLES = 5000
"""Of the table, an image; others are a trial."""
COLUMNS = (
    "row",
    "schedule",
    "batch",
    "seed",
    "published",
    "here",
    "error over images",
    "Monte Carlo error",
    "images not to be trusted",
)
TITLE = "Table 1 of Burda et al. (2016): negative log-likelihood of MNIST, nats"
NOTES = (
    "From 5,000 samples an image and the latest parameters, never the best. Schedule full: 3,280 epochs, short: the first 121 "
    "of them (stages 0 to 4), for which nothing is published.",
    "Unlike the paper: the 400 held-out training images are drawn by seed and are not the last; the test images are binarised "
    "by our seed; batches of 100 take a fifth of the steps of their 20, with the same learning rates, epochs and Adam's epsilon "
    "on means.",
    "Unlike their code (github.com/yburda/iwae): Adam's first moment decays by 0.9, as the paper says, not by 0.99, and its "
    "second moments start at 0, not at 1; images are shuffled every epoch; networks give the logarithm of variances, not of "
    "deviations; learning rates are not rounded to 7.2e-4, 5.2e-4, ...",
    "Error over images: the standard error of the mean over the 10,000 test images. Not to be trusted: fewer than 200 "
    "effective samples, or a tail whose Pareto k is above 0.7.",
)
PAIR_TITLE = "How much more samples in training gain"
PAIR_COLUMNS = ("rows", "schedule", "batch", "seed", "gain, nats per image")
PAIR_NOTES = ("Mean difference of log p(x) over the same test images, and its standard error.",)


def make_config(name: str, schedule: str, batch_size: int, data_dir: str, seed: int) -> Config:
    """The config of a row."""
    row = ROWS[name]
    keys: dict[str, Any] = {"num_samples": row.num_samples, "elbo_weight": row.elbo_weight}
    if row.layers == 2:
        keys |= {"model": "two_layer", "latent_dim": 100, "upper_latent_dim": 50, "upper_hidden_dims": "100,100"}
    keys |= {"num_epochs": EPOCHS[schedule], "batch_size": batch_size, "data_dir": data_dir, "seed": seed}
    return command_line.read_file(FILE, tuple((key, str(value)) for key, value in keys.items()))


def parse(argv: list[str]) -> Any:
    """The command line; `rows` are the names that --row means."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--row", required=True, metavar="ROW", help=f"{', '.join(ROWS)}, or all")
    parser.add_argument("--schedule", choices=EPOCHS, default="short", help="how long (short)")
    parser.add_argument("--batch_size", type=arguments.count, metavar="N", help="20 for full, 100 for short")
    parser.add_argument("--seed", type=arguments.seed, default=0, help="of the run (0)")
    parser.add_argument("--samples", type=arguments.count, default=SAMPLES, metavar="S", help="of the estimate (5000)")
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four original files (else downloaded)")
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs/iwae"), metavar="DIR", help="where runs lie (runs/iwae)"
    )
    flags = parser.parse_args(argv)
    flags.rows = list(ROWS) if flags.row == "all" else [arguments.one_of("--row", flags.row, [*ROWS, "all"])]
    flags.batch_size = flags.batch_size or BATCH_SIZES[flags.schedule]
    return flags


def workdir_of(name: str, flags: Any) -> Path:
    """Where a row's run lies."""
    return flags.output / f"{name}-{flags.schedule}-b{flags.batch_size}-s{flags.seed}"


def measure(name: str, flags: Any, console: Console) -> nll.Record:
    """log p(x) of the test images by the latest parameters; what lies there already is not measured again."""
    workdir = workdir_of(name, flags)
    run, request = load_run(workdir, "latest"), nll.Request(flags.samples, which="latest")
    images = nll.images_of(run.config, request)
    path = workdir / nll.file_name(request)
    begun, _ = nll.resume(path, nll.facts_of(run, request, images))
    console.line(f"log p(x) of {len(images):,} test images, {flags.samples:,} samples each: {path}")
    return nll.measure(nll.make_source(run, request), images, begun, path)


def row_of(name: str, measured: nll.Record, flags: Any) -> list[Any]:
    """A row of the table."""
    found = nll.summarize(measured)
    value = f"{-measured.found.log_p.mean():.2f}"
    doubtful = f"{100 * found.untrusted:.0f}%"
    told = [
        f"{ROWS[name].published:.2f}",
        value,
        f"{found.image_error:.2f}",
        f"{found.monte_carlo_error:.3f}",
        doubtful,
    ]
    return [name, flags.schedule, flags.batch_size, flags.seed, *told]


def pairs_of(flags: Any) -> list[list[Any]]:
    """Rows of the second table: what more samples in training change, image by image, where both rows are there."""
    file = nll.file_name(nll.Request(flags.samples, which="latest"))
    records = {name: nll.read(workdir_of(name, flags) / file) for name in ROWS}
    records = {name: found for name, found in records.items() if found and found.facts["samples"] == flags.samples}
    rows = []
    for gain, (one, other) in GAINS.items():
        first, second = records.get(one), records.get(other)
        if first is None or second is None or nll.differing(first.facts, second.facts, SHARED):
            continue
        found = nll.compare(second, first)
        difference = f"{found.difference:.3f} ± {found.error:.3f}"
        rows.append([gain, flags.schedule, flags.batch_size, flags.seed, difference])
    return rows


def keep(
    name: str, title: str, columns: Sequence[str], rows: list[list[Any]], notes: Sequence[str], samples: int = SAMPLES
) -> None:
    """Put rows into a table, each in the place of what it had of the same run: its first four cells.

    With another number of samples than the table's they are shown and not kept.
    """
    if samples != SAMPLES:
        record.save(name, "", f"{title}; {samples:,} samples an image", columns, rows, (), keep=False)
        return
    path = record.ROOT / "reproduce" / "results" / f"{name}.json"
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    merged = {tuple(row[:4]): row for row in [*old, *rows]}
    command = "python -m experiments.reproduce.iwae --row=ROW --schedule=SCHEDULE --batch_size=BATCH --seed=SEED"
    ordered = sorted(merged.values(), key=lambda row: (*row[1:4], ORDER.get(row[0], 0)))
    record.save(name, command, title, columns, ordered, notes, folder="reproduce")


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    flags, console = parse(argv), Console()
    for name in flags.rows:
        config = make_config(name, flags.schedule, flags.batch_size, flags.data_dir, flags.seed)
        train.train_and_evaluate(config, workdir_of(name, flags), console)
        rows = [row_of(name, measure(name, flags, console), flags)]
        keep("iwae", TITLE, COLUMNS, rows, NOTES, flags.samples)
        if pairs := pairs_of(flags):
            keep("iwae_pairs", PAIR_TITLE, PAIR_COLUMNS, pairs, PAIR_NOTES, flags.samples)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
