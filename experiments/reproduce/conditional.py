"""Classes of a conditional VAE's samples: python -m experiments.reproduce.conditional [--seed=N] [--data_dir=DIR]

Train configs/conditional_vae.py, or resume it, below --output. Fit a classifier on the training images alone, and ask it for the
class of --num samples, equally many of each: the share that it names right is the share whose class is the one that the model
was given. With shuffled labels the share is that of guessing. Writes results/conditional.json and the table of
experiments/reproduce/README.md; with another --num than 1,000, only prints it.

The classifier is kept as classifier.msgpack below --output, so that it is fitted once.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import serialization

from experiments.benchmarks import record
from vae_jax import data, train
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.evaluation.generation import Classifier, fit_classifier, predict
from vae_jax.evaluation.generation.classifier import make_logits
from vae_jax.runs.loading import load_run
from vae_jax.system import disk
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.types import Config, Dataset

NUM = 1000
TITLE = "Classes of samples of a conditional VAE, named by a classifier"
COLUMNS = ("images", "seed", "number", "named right", "standard error")
NOTES = (
    "The classifier is a small convolutional network, fitted on the 48,000 training images of the run. Samples are pixel means "
    "of draws from the prior, a tenth of them given each class. Shuffled: the same samples, compared with their labels in "
    "random order. The standard error is binomial.",
)


def parse(argv: list[str]) -> Any:
    """Parse the command line."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--seed", type=arguments.seed, default=0, help="the seed of the run and of the samples (0)")
    parser.add_argument("--num", type=arguments.count, default=NUM, help="the number of samples (1000)")
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs/conditional"), metavar="DIR", help="(runs/conditional)"
    )
    return parser.parse_args(argv)


def make_config(data_dir: str, seed: int) -> Config:
    """Make the config of the run."""
    keys = {"data_dir": data_dir, "seed": str(seed)}
    return command_line.read_file("configs/conditional_vae.py", tuple(keys.items()))


def judge(dataset: Dataset, folder: Path, console: Console) -> Classifier:
    """Return the classifier that is kept in the folder, or fit one on the training images."""
    path = disk.make_folder("--output", folder) / "classifier.msgpack"
    num_classes = len(dataset.class_names)
    init, logits = make_logits(dataset.train.images.shape[1:], num_classes)
    if path.is_file():
        shapes = jax.eval_shape(init, jax.random.key(0))
        return Classifier(serialization.from_bytes(shapes, path.read_bytes()), logits)

    def progress(epoch: int, loss: float) -> None:
        console.line(f"classifier, epoch {epoch}: cross-entropy {loss:.4f} nats per training image")

    fitted = fit_classifier(dataset.train, num_classes, progress=progress)
    disk.write(path, serialization.to_bytes(fitted.params))
    return fitted


def row_of(name: str, seed: int | str, right: np.ndarray) -> list[Any]:
    """Return a row of the table; `right` says which images are named right."""
    share = float(right.mean())
    error = math.sqrt(share * (1 - share) / len(right))
    return [name, seed, len(right), f"{100 * share:.2f}%", f"{100 * error:.2f}%"]


def main(argv: list[str]) -> None:
    """Run the command."""
    flags, console = parse(argv), Console()
    workdir = flags.output / f"conditional-s{flags.seed}"
    config = make_config(flags.data_dir, flags.seed)
    train.train_and_evaluate(config, workdir, console)
    run, dataset = load_run(workdir), data.load(config)
    classifier, classes = judge(dataset, flags.output, console), len(dataset.class_names)
    labels = (np.arange(flags.num) % classes).astype(np.int32)
    named = predict(classifier, run.sample(flags.num, flags.seed, labels))
    shuffled = np.random.default_rng(flags.seed).permutation(labels)
    rows = [
        row_of("test images", "-", predict(classifier, dataset.test.images) == dataset.test.labels),
        row_of("samples", flags.seed, named == labels),
        row_of("samples, shuffled labels", flags.seed, named == shuffled),
    ]
    path = record.ROOT / "reproduce" / "results" / "conditional.json"
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    merged = {tuple(row[:2]): row for row in [*old, *rows]}
    command = "python -m experiments.reproduce.conditional --seed=SEED"
    keep = flags.num == NUM
    record.save(
        "conditional",
        command,
        TITLE,
        COLUMNS,
        [*merged.values()] if keep else rows,
        NOTES,
        keep=keep,
        folder="reproduce",
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
