"""Table 1 of Burda et al. (2016): python -m experiments.reproduce.iwae --row=1L-iwae-k5 [--schedule=full|short] [--batch_size=N]

Trains a row (or goes on with it) in a directory of its own below --output, estimates -log p(x) of the 10,000 binarised test
images by --samples samples from the latest parameters, adds the result to results/iwae.json and writes the tables of
experiments/reproduce/README.md anew. `--row=all` takes the rows one after another, in the table's order.

Schedules: full is theirs, stages i = 0 to 7 of 3^i epochs, 3,280 in all, at batches of 20; short ends after stage 4, 121
epochs, at batches of 100, and is labelled so.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from vae_jax import arguments, cli, entry, train
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


def make_config(name: str, schedule: str, batch_size: int, data_dir: str, seed: int) -> Config:
    """The config of a row."""
    row = ROWS[name]
    keys: dict[str, Any] = {"num_samples": row.num_samples, "elbo_weight": row.elbo_weight}
    if row.layers == 2:
        keys |= {"model": "two_layer", "latent_dim": 100, "upper_latent_dim": 50, "upper_hidden_dims": "100,100"}
    keys |= {"num_epochs": EPOCHS[schedule], "batch_size": batch_size, "data_dir": data_dir, "seed": seed}
    return cli.read(cli.Flags(FILE, "", tuple((key, str(value)) for key, value in keys.items()), help=False))


def parse(argv: list[str]) -> Any:
    """The command line; `rows` are the names that --row means."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--row", required=True, metavar="ROW", help=f"{', '.join(ROWS)}, or all")
    parser.add_argument("--schedule", choices=EPOCHS, default="short", help="how long (short)")
    parser.add_argument("--batch_size", type=arguments.count, metavar="N", help="20 for full, 100 for short")
    parser.add_argument("--seed", type=arguments.seed, default=0, help="of the run (0)")
    parser.add_argument("--samples", type=arguments.count, default=5000, metavar="S", help="of the estimate (5000)")
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four original files (else downloaded)")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/iwae"), metavar="DIR", help="where runs lie (runs/iwae)"
    )
    flags = parser.parse_args(argv)
    flags.rows = list(ROWS) if flags.row == "all" else [arguments.one_of("--row", flags.row, [*ROWS, "all"])]
    flags.batch_size = flags.batch_size or BATCH_SIZES[flags.schedule]
    return flags


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    flags = parse(argv)
    for name in flags.rows:
        config = make_config(name, flags.schedule, flags.batch_size, flags.data_dir, flags.seed)
        workdir = flags.output / f"{name}-{flags.schedule}-b{flags.batch_size}-s{flags.seed}"
        train.train_and_evaluate(config, workdir)


if __name__ == "__main__":
    sys.exit(entry.exit_code(lambda: main(sys.argv[1:])))
