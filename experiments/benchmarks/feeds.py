"""Training images a second from each source: python -m experiments.benchmarks.feeds --photos=DIR [--rounds=N]

The photographs below --photos are read by dataset=folder, from its cache of decoded images, and by dataset=grain from the shards
that `vae-jax pack` writes, decoded by threads of the process and by 1 and 2 worker processes. Each source hands over batches in
the order of a run, first alone, then with a training step of a VAE in between. All of them take turns in each round, and steps
before the timed ones use up what was read ahead. Needs pip install 'vae_jax[grain]'.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import record
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.data.records.pack import pack_folder
from vae_jax.randomness import epoch_order
from vae_jax.system.command import run_command
from vae_jax.training.prepare import Training, prepare

SOURCES = {
    "mapped cache": {"dataset": "folder"},
    "grain, threads": {"dataset": "grain", "data_workers": "0"},
    "grain, 1 worker": {"dataset": "grain", "data_workers": "1"},
    "grain, 2 workers": {"dataset": "grain", "data_workers": "2"},
}
SIZES = (32, 64)
CALL, WARM, STEPS = 5, 25, 75
"""The steps of a call of the device; those before the timed ones, which use up what was read ahead; and the timed ones."""
FIRST = "mapped cache"
KEYS = {"likelihood": "discretized_logistic", "hidden_dims": "200", "latent_dim": "20", "streaming": "on"}


def make_run(size: int, shards: Path, photos: Path, keys: dict[str, str]) -> Training:
    """Prepare a run of a source; the first one of a size packs the photographs into `shards`."""
    folder = {"train_dir": str(photos), "split": "0.8,0.1,0.1", "image_size": f"{size},{size}"}
    config = command_line.read_file("vae", tuple((KEYS | {"dataset": "folder"} | folder).items()))
    if not shards.exists():
        pack_folder(config, shards, 10_000)
    own = {"data_dir": str(shards)} if keys["dataset"] == "grain" else folder
    return prepare(command_line.read_file("vae", tuple((KEYS | keys | own).items())))


def feed(run: Training, first: int, count: int, train: bool) -> float:
    """Return the seconds of `count` steps from the number `first` on, their images handed over alone or trained on."""
    assert run.steps_per_epoch % CALL == 0
    state, config = jax.tree.map(lambda a: a.copy(), run.state), run.config
    started = time.perf_counter()
    for step in range(first, first + count, CALL):
        epoch, position = divmod(step, run.steps_per_epoch)
        order = epoch_order(config.seed, epoch, len(run.dataset.train.images), config.batch_size)
        images = run.feed.images(order[position : position + CALL], epoch * run.steps_per_epoch + position)
        if train:
            state, _ = run.chunk(state, *images, run.key_train, run.hparams)
        jax.block_until_ready(images[0])
    jax.block_until_ready(state)
    return time.perf_counter() - started


def measure(runs: dict[str, Training], rounds: int, train: bool) -> dict[str, np.ndarray]:
    """Return the images a second of each source in each round."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():  # compiles
        feed(run, 0, CALL, train)
        run.feed.close()
    for _ in range(rounds):
        for name, run in runs.items():
            feed(run, 0, WARM, train)
            rates[name].append(STEPS * run.config.batch_size / feed(run, WARM, STEPS, train))
            run.feed.close()
    return {name: np.array(each) for name, each in rates.items()}


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--photos", type=arguments.path, required=True, metavar="DIR", help="a folder of photographs")
    parser.add_argument("--rounds", type=arguments.count, default=5, metavar="N", help="rounds (5)")
    parser.add_argument("--trial", action="store_true", help="only print the table")
    flags = parser.parse_args(argv)
    rows: list[list[Any]] = []
    started, others = time.perf_counter(), record.others_seconds()
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            shards = Path(folder) / str(size)
            runs = {name: make_run(size, shards, flags.photos, keys) for name, keys in SOURCES.items()}
            alone, trained = (measure(runs, flags.rounds, train) for train in (False, True))
            for name in runs:
                cells = [f"{size} x {size} x 3", name]
                for rates in (alone, trained):
                    cells += [record.quartiles(rates[name], 0), record.quartiles(rates[name] / rates[FIRST])]
                rows.append(cells)
    busy = (record.others_seconds() - others) / (time.perf_counter() - started)
    columns = ["images", "source", "images a second", "ratio", "with training", "ratio"]
    notes = [
        "Medians over rounds, with quartiles in brackets; the ratios to the mapped cache are taken within a round. With "
        f"training: a dense VAE of 200 hidden units on the same cores. Other processes kept {busy:.1f} cores busy."
    ]
    command = record.command("feeds", argv, (*record.LOCAL, "--photos"))
    record.save(
        "feeds", command, "Training images from the cache and from shards", columns, rows, notes, keep=not flags.trial
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
