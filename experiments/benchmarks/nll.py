"""The log-likelihood by importance sampling, ours against pythae's: python -m experiments.benchmarks.nll [--data_dir=DIR]

A Bernoulli VAE 784-400-20, trained for an epoch of MNIST with seeded binarisation (`static_seeded`), all on the CPU. In
each round our `estimators.make_split_bound` takes its share of `--images` test images; then pythae's own `VAE.get_nll`, with
our parameters in its VAE, takes the first `--peer_images` of the same: so both must agree to Monte Carlo error. pythae has a
virtual environment of its own, which pip makes once (--envs; it is that of `peers`), and runs in a process whose start is not
counted. It decodes 100 samples at once, its default, and in a row of its own all samples of an image at once. `matrix
products` are those of our decoder alone: no implementation in float32 gets below them.
"""

import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import record
from experiments.benchmarks.nll_contenders import PEER, Found, Round, ask_peer, make_products
from experiments.benchmarks.peers_code import contestants
from experiments.benchmarks.peers_code.contestants import OURS
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_split_bound
from vae_jax.randomness import epoch_order
from vae_jax.system.command import run_command
from vae_jax.training.prepare import Prepared, prepare
from vae_jax.types import Params

PRODUCTS = "matrix products"
KEYS = {"dataset": "mnist", "binarize": "static_seeded", "hidden_dims": "400", "latent_dim": "20"}
COLUMNS = ("log-likelihood by", "images a round", "ms an image", "vae_jax / it", "10,000 images, s", "nll", "versions")


def train(data_dir: str) -> tuple[Prepared, Params]:
    """The model, and its parameters after an epoch."""
    keys = KEYS | {"data_dir": data_dir}
    run = prepare(command_line.read_file("configs/vae.py", tuple(keys.items())))
    state, size = run.state, run.steps_per_dispatch
    order = epoch_order(run.config.seed, 0, len(run.dataset.train.images), run.config.batch_size)
    for start in range(0, len(order) // size * size, size):
        state, _ = run.chunk(state, *run.feed.images(order[start : start + size]), run.key_train)
    return run, state.params


def measure(flags: Any, scratch: Path) -> Found:
    """The rounds of everyone, who take turns.

    Raises:
        InputError: more images than there are.
    """
    run, params = train(flags.data_dir)
    test, size = run.dataset.test.images, flags.images // flags.rounds
    if flags.images > len(test):
        raise InputError(f"--images={flags.images}: the test split has {len(test)}")
    bound, products = make_split_bound(run.model, flags.samples), make_products(params, flags.samples)
    bound(params, run.key_eval, test[:size])  # compiles
    found = Found({OURS: [], PRODUCTS: []}, "", "")
    for number in range(flags.rounds):
        images = test[number * size : (number + 1) * size]
        shared = images[: flags.peer_images]
        started = time.perf_counter()
        bounds = bound(params, jax.random.fold_in(run.key_eval, number), images)
        seconds = (time.perf_counter() - started) / size
        found.rounds[OURS].append(Round(size, seconds, -float(bounds[: len(shared)].mean(dtype=np.float64))))
        found.rounds[PRODUCTS].append(Round(len(shared), products(len(shared))))
        if not found.failure:
            found = ask_peer(found, params, shared / np.float32(255), flags, number, scratch)
    return found


def rows(found: Found) -> list[list[str]]:
    """A row of cells for each contender; ratios are medians over rounds of ratios within a round."""
    table = []
    for name, rounds in found.rounds.items():
        each = np.array([one.seconds for one in rounds])
        ours = np.array([one.seconds for one in found.rounds[OURS][: len(rounds)]])
        nll = statistics.mean(one.nll for one in rounds)
        table.append([name, f"{rounds[0].images:,}", record.quartiles(1000 * each), record.quartiles(ours / each)])
        table[-1] += [f"{10_000 * np.median(each):.1f}", "" if math.isnan(nll) else f"{nll:.3f}"]
        table[-1].append(found.versions if name.startswith(PEER) else "")
    if found.failure:
        table.append([PEER, *["-"] * 5, found.failure])
    return table


def agreement(found: Found) -> list[str]:
    """How far pythae's numbers are from ours on the same images: mean over rounds, and its standard error."""
    told = []
    for name, rounds in found.rounds.items():
        if not name.startswith(PEER) or len(rounds) < 2:
            continue
        differences = [one.nll - ours.nll for one, ours in zip(rounds, found.rounds[OURS], strict=False)]
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        told.append(f"{name}: {statistics.mean(differences):+.4f} ± {error:.4f}")
    return [f"Its nll minus ours on the same images, nats, ± the standard error: {'; '.join(told)}."] if told else []


def parse(argv: list[str]) -> Any:
    """The command line."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files; without it: download")
    parser.add_argument("--samples", type=arguments.count, default=1000, metavar="S", help="an image (1000)")
    parser.add_argument("--images", type=arguments.count, default=10_000, metavar="N", help="ours, in all (10000)")
    parser.add_argument("--peer_images", type=arguments.count, default=100, metavar="N", help="pythae's, a round (100)")
    parser.add_argument("--rounds", type=arguments.count, default=5, metavar="N", help="rounds (5)")
    parser.add_argument(
        "--envs", type=arguments.path, metavar="DIR", help="the environments' folder (the cache folder's peers/)"
    )
    help_timeout = "seconds after which a round of pythae is stopped, and its row says so (1800)"
    parser.add_argument("--timeout", type=arguments.count, default=1800, metavar="S", help=help_timeout)
    parser.add_argument("--trial", action="store_true", help="only print the table")
    flags = parser.parse_args(argv)
    if flags.images < flags.rounds * flags.peer_images:
        parser.error(
            f"--images={flags.images}: each of {flags.rounds} rounds needs the {flags.peer_images} images of pythae"
        )
    contestants.place(flags)
    return flags


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    flags = parse(argv)
    jax.config.update("jax_platforms", "cpu")
    started, others = time.perf_counter(), record.others_seconds()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(flags, Path(folder))
    others = (record.others_seconds() - others) / (time.perf_counter() - started)
    notes = [
        f"{flags.samples} samples an image; nll: nats, mean of the first {flags.peer_images} images of each of "
        f"{flags.rounds} rounds. Medians, and in brackets quartiles, over rounds; ratios within a round; smaller is "
        f"faster. Other processes kept {others:.1f} cores busy meanwhile.",
        *agreement(found),
    ]
    title = f"log p(x) by importance sampling, {flags.samples} samples, binarised MNIST"
    record.save("nll", record.command("nll", argv), title, COLUMNS, rows(found), notes, keep=not flags.trial)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
