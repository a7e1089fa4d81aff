"""This library against other trainers: python -m experiments.benchmarks.peers [--data_dir=DIR] [--epochs=10]

Everyone trains a Bernoulli VAE on the grey pixels of MNIST, with Adam 1e-3 and batches of 128, on the same 54,000 images, on the
CPU. Each peer is trained by its own trainer in its own virtual environment. pip makes the environments once (--envs) from the
package registry (torch, which four of them contain, takes some GB on Linux) and logs to ENVS/NAME.log. If a peer cannot be
installed, fails or hangs (--timeout), its row says so. The peers take turns, `--rounds` times, with another seed in each round.

The columns:

epoch: the median of the epochs after the first. A peer's epochs are timed by the hooks of its trainer, from before the first
    batch to after the last. Our epochs are timed between the lines that `python -m vae_jax.main` prints at the end of each
    epoch, so they include logging, TensorBoard files and checkpoints. Nobody validates between epochs.
training: all epochs, including compilation in the first. A peer is timed by the same hooks. Ours is timed from the line that
    announces the run, after data and model are made, to the end of the last epoch.
process: from start to exit. Ours also evaluates the training and validation images and draws figures.
elbo: of the 10,000 test images after the last epoch, nats per image, with one z per image and the kl in closed form.

We drop the last batch of an epoch if it is not full: 421 steps against the peers' 422. `torch-loader` (tensors) and
`torch-images` (single PIL images, as torchvision's data sets return them) have the network 784-512-256-10 and are compared with
our run of that network; the others have 784-400-20.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from experiments.benchmarks.peers_code import contestants
from experiments.benchmarks.peers_code.contestants import OURS, PEERS, Failed, Measured, Network
from vae_jax import config as config_lib
from vae_jax import data
from vae_jax.commands import arguments
from vae_jax.errors import one_of
from vae_jax.system.command import run_command

COLUMNS = ("peer", "network", "epoch, s", "vae_jax / peer", "training, s", "process, s", "test elbo", "versions")


def write_images(flags: Any, file: Path) -> None:
    """Write the images for training and testing: `train` and `test`, u8[N, 784]."""
    config = config_lib.defaults()
    config.dataset, config.data_dir, config.num_train = "mnist", flags.data_dir, flags.num_train
    splits = data.load(config)
    np.savez(file, **{name: getattr(splits, name).images.reshape(-1, 784) for name in ("train", "test")})


def measure(flags: Any, scratch: Path) -> dict[tuple[str, Network], list[Measured] | str]:
    """Train all peers, who take turns: (peer, network) -> its runs, or the reason why there are none."""
    networks = dict.fromkeys(PEERS[name].network for name in flags.peers if name != OURS) or {contestants.SMALL: None}
    entries = [(OURS, network) for network in networks if OURS in flags.peers]
    entries += [(name, PEERS[name].network) for name in flags.peers if name != OURS]
    pythons: dict[str, Path] = {}
    results: dict[tuple[str, Network], list[Measured] | str] = {key: [] for key in entries}
    for seed in range(flags.rounds):
        for key, runs in results.items():
            if isinstance(runs, str):
                continue
            name, network = key
            try:
                if name == OURS:
                    runs.append(contestants.train_ours(network, flags, seed, scratch))
                    continue
                if name not in pythons:
                    pythons[name] = contestants.make_environment(name, flags.envs)
                runs.append(contestants.train_peer(name, pythons[name], flags, seed, scratch))
            except (Failed, OSError) as failure:
                results[key] = str(failure)
    return results


def rows(results: dict[tuple[str, Network], list[Measured] | str]) -> list[list[str]]:
    """Return the cells of a row for each peer."""
    table = []
    for (name, network), runs in results.items():
        if isinstance(runs, str):
            table.append([name, str(network), *["-"] * 5, runs])
            continue
        seconds = [middle(runs, field) for field in ("epoch", "training", "process")]
        ours = results.get((OURS, network), "")
        ratio = "-" if isinstance(ours, str) else f"{middle(ours, 'epoch') / seconds[0]:.2f}"
        elbos = [run.elbo for run in runs]
        elbo = f"{statistics.mean(elbos):.2f}" + (f" ± {statistics.stdev(elbos):.2f}" if len(elbos) > 1 else "")
        cells = [f"{seconds[0]:.3g}", ratio, *(f"{second:.1f}" for second in seconds[1:]), elbo, runs[0].versions]
        table.append([name, str(network), *cells])
    return table


def middle(runs: list[Measured], field: str) -> float:
    """Return the median over the rounds."""
    return statistics.median(getattr(run, field) for run in runs)


def parse(argv: list[str]) -> Any:
    """Parse the command line."""
    parser = arguments.Parser(__doc__)
    names = ",".join((OURS, *PEERS))
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument("--epochs", type=arguments.count, default=10, help="epochs of a run, at least 2 (10)")
    parser.add_argument("--rounds", type=arguments.count, default=3, help="runs per peer (3)")
    parser.add_argument("--peers", default=names, metavar="NAME,...", help=f"peers to run ({names})")
    parser.add_argument(
        "--envs", type=arguments.path, metavar="DIR", help="the folder of the environments (peers/ in the cache folder)"
    )
    help_num_train = "training images of a trial, whose table is only printed"
    parser.add_argument("--num_train", type=arguments.count, default=0, metavar="N", help=help_num_train)
    help_timeout = "seconds after which a run is stopped and reported as such (1800)"
    parser.add_argument("--timeout", type=arguments.count, default=1800, metavar="S", help=help_timeout)
    flags = parser.parse_args(argv)
    if flags.epochs < 2:
        parser.error(f"--epochs={flags.epochs}: at least 2, because the first is not counted")
    flags.peers = list(dict.fromkeys(one_of("--peers", n, (OURS, *PEERS)) for n in flags.peers.split(",")))
    contestants.place(flags)
    return flags


def main(argv: list[str]) -> None:
    """Run the command."""
    flags = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        write_images(flags, Path(folder, "images.npz"))
        started, others = time.perf_counter(), record.others_seconds()
        table = rows(measure(flags, Path(folder)))
        others = (record.others_seconds() - others) / (time.perf_counter() - started)
    title = f"A Bernoulli VAE on MNIST's grey pixels for {flags.epochs} epochs, each with its own trainer"
    notes = [
        f"On the CPU. Seconds and ratios are medians over {flags.rounds} rounds in which the peers took turns. The test elbo is "
        f"in nats per image, mean ± standard deviation over the seeds 0 to {flags.rounds - 1}. The script's docstring explains "
        f"the columns. Other processes kept {others:.1f} cores busy.",
    ]
    command = f"python -m experiments.benchmarks.peers --epochs={flags.epochs} --rounds={flags.rounds}"
    command += f" --peers={','.join(flags.peers)}"
    record.save("peers", command, title, COLUMNS, table, notes, keep=not flags.num_train)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
