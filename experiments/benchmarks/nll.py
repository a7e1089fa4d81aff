"""The log-likelihood by importance sampling, ours against pythae's: python -m experiments.benchmarks.nll [--data_dir=DIR]

A Bernoulli VAE 784-400-20 is trained for an epoch of MNIST with seeded binarisation (`static_seeded`), all on the CPU. In each
round our `estimators.make_split_bound` evaluates its share of `--images` test images. Then pythae's own `VAE.get_nll`, with our
parameters in its VAE, evaluates the first `--peer_images` of the same images, so both must agree to Monte Carlo error. pythae
runs in a virtual environment that pip makes once (--envs, shared with `peers`), in a process whose start is not counted. It
decodes 100 samples at once, its default; a second row decodes all samples of an image at once. The row `matrix products` has the
products of our decoder alone: no implementation in float32 is faster.
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
from experiments.benchmarks.nll_contenders import PEER, Results, Round, ask_peer, make_products
from experiments.benchmarks.peers_code import contestants
from experiments.benchmarks.peers_code.contestants import OURS
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_split_bound
from vae_jax.randomness import epoch_order
from vae_jax.system.command import run_command
from vae_jax.training.prepare import Training, prepare
from vae_jax.types import Params

PRODUCTS = "matrix products"
KEYS = {"dataset": "mnist", "binarize": "static_seeded", "hidden_dims": "400", "latent_dim": "20", "batch_size": "128"}
COLUMNS = ("contender", "images per round", "ms per image", "vae_jax / this", "10,000 images, s", "nll", "versions")


def train(data_dir: str) -> tuple[Training, Params]:
    """Return the prepared run and its parameters after an epoch."""
    keys = KEYS | {"data_dir": data_dir}
    run = prepare(command_line.read_file("configs/vae.py", tuple(keys.items())))
    state, size = run.state, run.steps_per_dispatch
    order = epoch_order(run.config.seed, 0, len(run.dataset.train.images), run.config.batch_size)
    for start in range(0, len(order) // size * size, size):
        state, _ = run.chunk(state, *run.feed.images(order[start : start + size], start), run.key_train, run.hparams)
    return run, state.params


def measure(flags: Any, scratch: Path) -> Results:
    """Time all contenders, who take turns in each round.

    Raises:
        InputError: --images is larger than the test split.
    """
    run, params = train(flags.data_dir)
    test, size = run.dataset.test.images, flags.images // flags.rounds
    if flags.images > len(test):
        raise InputError(f"--images={flags.images}: the test split has {len(test)} images")
    bound, products = make_split_bound(run.model, flags.samples), make_products(params, flags.samples)
    bound(params, run.key_eval, test[:size])  # compiles
    results = Results({OURS: [], PRODUCTS: []}, "", "")
    for number in range(flags.rounds):
        images = test[number * size : (number + 1) * size]
        shared = images[: flags.peer_images]
        started = time.perf_counter()
        bounds = bound(params, jax.random.fold_in(run.key_eval, number), images)
        seconds = (time.perf_counter() - started) / size
        results.rounds[OURS].append(Round(size, seconds, -float(bounds[: len(shared)].mean(dtype=np.float64))))
        results.rounds[PRODUCTS].append(Round(len(shared), products(len(shared))))
        if not results.failure:
            results = ask_peer(results, params, shared / np.float32(255), flags, number, scratch)
    return results


def rows(results: Results) -> list[list[str]]:
    """Return the cells of a row for each contender; ratios are medians over rounds of ratios within a round."""
    table = []
    for name, rounds in results.rounds.items():
        each = np.array([one.seconds for one in rounds])
        ours = np.array([one.seconds for one in results.rounds[OURS][: len(rounds)]])
        nll = statistics.mean(one.nll for one in rounds)
        table.append([name, f"{rounds[0].images:,}", record.quartiles(1000 * each), record.quartiles(ours / each)])
        table[-1] += [f"{10_000 * np.median(each):.1f}", "" if math.isnan(nll) else f"{nll:.3f}"]
        table[-1].append(results.versions if name.startswith(PEER) else "")
    if results.failure:
        table.append([PEER, *["-"] * 5, results.failure])
    return table


def agreement(results: Results) -> list[str]:
    """Compare pythae's nll with ours on the same images: the mean difference over rounds and its standard error."""
    texts = []
    for name, rounds in results.rounds.items():
        if not name.startswith(PEER) or len(rounds) < 2:
            continue
        differences = [one.nll - ours.nll for one, ours in zip(rounds, results.rounds[OURS], strict=False)]
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        texts.append(f"{name}: {statistics.mean(differences):+.4f} ± {error:.4f}")
    return [f"pythae's nll minus ours on the same images, nats, ± standard error: {'; '.join(texts)}."] if texts else []


def parse(argv: list[str]) -> Any:
    """Parse the command line."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument("--samples", type=arguments.count, default=1000, metavar="S", help="samples per image (1000)")
    parser.add_argument(
        "--images", type=arguments.count, default=10_000, metavar="N", help="images of ours in all rounds (10000)"
    )
    parser.add_argument(
        "--peer_images", type=arguments.count, default=100, metavar="N", help="images of pythae per round (100)"
    )
    parser.add_argument("--rounds", type=arguments.count, default=5, metavar="N", help="rounds (5)")
    parser.add_argument(
        "--envs", type=arguments.path, metavar="DIR", help="the folder of the environments (peers/ in the cache folder)"
    )
    help_timeout = "seconds after which a round of pythae is stopped and reported as such (1800)"
    parser.add_argument("--timeout", type=arguments.count, default=1800, metavar="S", help=help_timeout)
    parser.add_argument("--trial", action="store_true", help="only print the table")
    flags = parser.parse_args(argv)
    if flags.images < flags.rounds * flags.peer_images:
        parser.error(
            f"--images={flags.images}: each of {flags.rounds} rounds needs the {flags.peer_images} images of --peer_images"
        )
    contestants.place(flags)
    return flags


def main(argv: list[str]) -> None:
    """Run the command."""
    flags = parse(argv)
    jax.config.update("jax_platforms", "cpu")
    started, others = time.perf_counter(), record.others_seconds()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(flags, Path(folder))
    others = (record.others_seconds() - others) / (time.perf_counter() - started)
    notes = [
        f"{flags.samples} samples per image. The nll, in nats, is the mean over the first {flags.peer_images} images of each "
        f"of {flags.rounds} rounds. Times are medians over rounds, with quartiles in brackets. Ratios are taken within a round; "
        f"smaller is faster. Other processes kept {others:.1f} cores busy.",
        *agreement(results),
    ]
    title = f"log p(x) by importance sampling, {flags.samples} samples, binarised MNIST"
    record.save("nll", record.command("nll", argv), title, COLUMNS, rows(results), notes, keep=not flags.trial)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
