"""This library against other people's trainers: python -m experiments.benchmarks.peers [--data_dir=DIR] [--epochs=10]

A Bernoulli VAE on the grey pixels of MNIST, Adam 1e-3, batches of 128, the same 54,000 training images for all, all on
the CPU. Every peer is trained by its own trainer in a virtual environment of its own, which pip makes once (--envs) from
the package registry (torch, which four of them hold, is some GB there on Linux); what pip says is in ENVS/NAME.log. A
peer that cannot be installed, that fails or that hangs (--timeout) has a row which says so. The peers take turns,
`--rounds` times, each round with a seed of its own.

What is counted:

epoch: the median of the epochs after the first. A peer's are taken by the hooks of its trainer, from before the first
    batch to after the last. Ours are the times between the lines that `python -m vae_jax.main` prints at the end of
    each epoch, so logging, TensorBoard files and checkpoints are in them. Nobody validates between epochs.
training: all epochs; a peer's hooks know the same as above, with what is compiled in the first. Ours from the line that
    announces the run, when data and model are made, to the end of the last epoch.
process: from start to exit. Ours also evaluates the training and validation images and draws figures.
elbo: of the 10,000 test images after the last epoch, nats per image, one z an image, the kl in closed form.

Our last batch of an epoch is left out when it is not full: 421 steps where the peers make 422. `torch-loader` (tensors) and
`torch-images` (images as torchvision's sets hand them out: one by one, from PIL) have the network 784-512-256-10 and are compared
with our run of the same; the others have 784-400-20.
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
from vae_jax.system.command import run_command

COLUMNS = ("peer", "network", "epoch, s", "vae_jax / peer", "training, s", "process, s", "test elbo", "versions")


def write_images(flags: Any, file: Path) -> None:
    """The images that all train and are tested on: `train` and `test`, u8[N, 784]."""
    config = config_lib.defaults()
    config.dataset, config.data_dir, config.num_train = "mnist", flags.data_dir, flags.num_train
    splits = data.load(config)
    np.savez(file, **{name: getattr(splits, name).images.reshape(-1, 784) for name in ("train", "test")})


def measure(flags: Any, scratch: Path) -> dict[tuple[str, Network], list[Measured] | str]:
    """(peer, network) -> its runs, or why there are none; the peers take turns."""
    networks = dict.fromkeys(PEERS[name].network for name in flags.peers if name != OURS) or {contestants.SMALL: None}
    entries = [(OURS, network) for network in networks if OURS in flags.peers]
    entries += [(name, PEERS[name].network) for name in flags.peers if name != OURS]
    pythons: dict[str, Path] = {}
    found: dict[tuple[str, Network], list[Measured] | str] = {key: [] for key in entries}
    for seed in range(flags.rounds):
        for key, runs in found.items():
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
                found[key] = str(failure)
    return found


def rows(found: dict[tuple[str, Network], list[Measured] | str]) -> list[list[str]]:
    """A row of cells for each peer."""
    table = []
    for (name, network), runs in found.items():
        if isinstance(runs, str):
            table.append([name, str(network), *["-"] * 5, runs])
            continue
        seconds = [middle(runs, field) for field in ("epoch", "training", "process")]
        ours = found.get((OURS, network), "")
        ratio = "-" if isinstance(ours, str) else f"{middle(ours, 'epoch') / seconds[0]:.2f}"
        elbos = [run.elbo for run in runs]
        elbo = f"{statistics.mean(elbos):.2f}" + (f" ± {statistics.stdev(elbos):.2f}" if len(elbos) > 1 else "")
        cells = [f"{seconds[0]:.3g}", ratio, *(f"{second:.1f}" for second in seconds[1:]), elbo, runs[0].versions]
        table.append([name, str(network), *cells])
    return table


def middle(runs: list[Measured], field: str) -> float:
    """The median over the rounds."""
    return statistics.median(getattr(run, field) for run in runs)


def parse(argv: list[str]) -> Any:
    """The command line."""
    parser = arguments.Parser(__doc__)
    names = ",".join((OURS, *PEERS))
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files; without it: download")
    parser.add_argument("--epochs", type=arguments.count, default=10, help="at least 2 (10)")
    parser.add_argument("--rounds", type=arguments.count, default=3, help="runs of each (3)")
    parser.add_argument("--peers", default=names, metavar="NAME,...", help=f"who runs ({names})")
    parser.add_argument(
        "--envs", type=arguments.path, metavar="DIR", help="the environments' folder (the cache folder's peers/)"
    )
    help_num_train = "training images of a trial, whose table is not kept"
    parser.add_argument("--num_train", type=arguments.count, default=0, metavar="N", help=help_num_train)
    help_timeout = "seconds after which a run is stopped, and its peer has a row that says so (1800)"
    parser.add_argument("--timeout", type=arguments.count, default=1800, metavar="S", help=help_timeout)
    flags = parser.parse_args(argv)
    if flags.epochs < 2:
        parser.error(f"--epochs={flags.epochs}: at least 2, since the first is not counted")
    flags.peers = list(dict.fromkeys(arguments.one_of("--peers", n, (OURS, *PEERS)) for n in flags.peers.split(",")))
    contestants.place(flags)
    return flags


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    flags = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        write_images(flags, Path(folder, "images.npz"))
        started, others = time.perf_counter(), record.others_seconds()
        table = rows(measure(flags, Path(folder)))
        others = (record.others_seconds() - others) / (time.perf_counter() - started)
    title = f"A Bernoulli VAE on MNIST's grey pixels for {flags.epochs} epochs, each with its own trainer"
    notes = [
        f"On the CPU. Seconds and ratios: medians over {flags.rounds} rounds in which the peers took turns. Test elbo: nats "
        f"per image, mean ± standard deviation over the seeds 0 to {flags.rounds - 1}. What is counted: the script's "
        f"docstring. Other processes kept {others:.1f} cores busy meanwhile.",
    ]
    command = f"python -m experiments.benchmarks.peers --epochs={flags.epochs} --rounds={flags.rounds}"
    command += f" --peers={','.join(flags.peers)}"
    record.save("peers", command, title, COLUMNS, table, notes, keep=not flags.num_train)


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
