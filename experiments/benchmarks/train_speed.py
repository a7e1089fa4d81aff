"""Speed of training: python -m experiments.benchmarks.train_speed [--data_dir=DIR] [--only=vae,ae,conv_vae] [--rounds=7]

For each config, on MNIST, in one process and interleaved: an epoch of our real loop (`epochs.train_epoch`, with its console
and writer), the bare matrix products of its layers (forward, and both gradients; MLPs only), and an epoch of a small eager
PyTorch loop of the same network, where torch is installed (`pip install torch`); and our loop once more with
`streaming=on`, the images of each call read from the mapped file. Ratios are medians over rounds of ratios
within a round; a round in which other processes took more than a tenth of the machine is dropped and told, unless fewer than
three were left. `products / PyTorch` is how far below PyTorch's whole loop the products alone are. Compilation is not
counted. `full run` is 20 epochs with validation, checkpoints, log files and the final evaluation, against its epochs' calls
of the device alone; figures and start-up are not in it.
"""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import record
from experiments.benchmarks.products import make_products
from experiments.benchmarks.rounds import ENOUGH, Timed, interleave, told
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.evaluation.latent_codes import make_encode_frame
from vae_jax.randomness import epoch_order
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.latent_frames import Film
from vae_jax.runs.writer import Writer
from vae_jax.system import devices, signals
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.system.profiling import Profile
from vae_jax.training import conclude, epochs
from vae_jax.training.prepare import Prepared, prepare
from vae_jax.types import Config

CONFIGS = {
    "vae": ("configs/vae.py", {"hidden_dims": "400", "latent_dim": "20"}),
    "ae": ("configs/ae.py", {}),
    "conv_vae": ("configs/conv_vae.py", {"num_train": "3200"}),
}
"""Name -> (file, keys). 100 steps make an epoch of the convolutional one."""
FULL_EPOCHS = 20


class Bench:
    """Our loop, prepared, in a temporary run directory."""

    def __init__(self, config: Config, workdir: Path) -> None:
        self.run: Prepared = prepare(config)
        self.state, self.progress = jax.tree.map(jnp.copy, self.run.state), epochs.Progress()
        nowhere = open(os.devnull, "w")  # noqa: SIM115
        encode = make_encode_frame(self.run.model, self.run.dataset.test.images, config.eval.batch_size)
        film = Film(workdir, 0, 0, encode)
        self.checkpoints = Checkpoints(workdir / "checkpoints")
        writer = Writer(workdir, 0, True)
        self.outside = epochs.Outside(
            signals.StopRequest(),
            self.checkpoints.__enter__(),
            writer.__enter__(),
            Console(nowhere),
            film,
            Profile(None),
        )

    def epoch(self) -> None:
        """Train an epoch as a run does, and start the next one's sums."""
        self.state, progress = epochs.train_epoch(self.run, self.state, self.progress, self.outside)
        self.progress = progress._replace(sums={})

    def full(self) -> None:
        """FULL_EPOCHS epochs with all that happens at their ends, and the final evaluation."""
        for _ in range(FULL_EPOCHS):
            self.state, progress = epochs.train_epoch(self.run, self.state, self.progress, self.outside)
            self.progress = epochs.end_epoch(self.run, self.state, progress, self.outside)
        self.checkpoints.wait()
        conclude.measure(self.run, self.checkpoints, "best")

    def calls(self) -> None:
        """FULL_EPOCHS epochs' calls of the device, and nothing else."""
        config, size = self.run.config, self.run.steps_per_dispatch
        for epoch in range(FULL_EPOCHS):
            order = epoch_order(config.seed, epoch, len(self.run.dataset.train.images), config.batch_size)
            for start in range(0, len(order), size):
                images, places = self.run.feed.images(order[start : start + size])
                self.state, _ = self.run.chunk(self.state, images, places, self.run.key_train)
        jax.block_until_ready(self.state)

    def order(self) -> np.ndarray:
        """Rows of an epoch, [T, B]."""
        config = self.run.config
        return epoch_order(config.seed, 0, len(self.run.dataset.train.images), config.batch_size)


def contenders(bench: Bench, streamed: Bench) -> dict[str, Timed]:
    """What is timed for a config."""
    config, order = bench.run.config, bench.order()
    timed: dict[str, Timed] = {"ours": bench.epoch, "streamed": streamed.epoch}
    if config.network == "mlp":
        timed["products"] = make_products(config, int(np.prod(bench.run.shape)), len(order))
    if importlib.util.find_spec("torch") is not None:
        from experiments.benchmarks.torch_loops import make_epoch

        eager = make_epoch(config, bench.run.dataset.train.images)
        timed["torch"] = lambda: eager(order)
    return timed


def ratio(seconds: dict[str, np.ndarray], one: str, other: str) -> str:
    """Median over rounds of one / other, with its quartiles; empty if either was not timed."""
    return record.quartiles(seconds[one] / seconds[other]) if {one, other} <= set(seconds) else ""


def read(name: str, flags: Any, streaming: str) -> Config:
    """A config of CONFIGS, on MNIST."""
    file, keys = CONFIGS[arguments.one_of("--only", name, CONFIGS)]
    keys = keys | {"dataset": "mnist", "data_dir": flags.data_dir, "streaming": streaming}
    return command_line.read_file(file, tuple(keys.items()))


def measure(name: str, flags: Any) -> tuple[list[str], list[str]]:
    """The cells and the notes of a config."""
    configs = [read(name, flags, mode) for mode in ("off", "on")]
    with tempfile.TemporaryDirectory() as folder:
        bench, streamed = (Bench(config, Path(folder, config.streaming)) for config in configs)
        seconds, disturbed = interleave(contenders(bench, streamed), flags.rounds)
        notes = [told(name, disturbed, flags.rounds)]
        full = ""
        if name == "vae":
            timed: dict[str, Timed] = {"ours": bench.full, "calls": bench.calls}
            rounds = max(ENOUGH, flags.rounds // 2)
            whole, disturbed = interleave(timed, rounds)
            full = ratio(whole, "ours", "calls")
            notes.append(told(f"{name}, full run", disturbed, rounds))
    steps, own = len(bench.order()), float(np.median(seconds["ours"]))
    pairs = (("ours", "products"), ("ours", "torch"), ("products", "torch"), ("streamed", "ours"))
    compared = [ratio(seconds, one, other) for one, other in pairs]
    return [name, str(steps), f"{own:.2f}", f"{1000 * own / steps:.2f}", *compared, full], list(filter(None, notes))


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four original files (else downloaded)")
    parser.add_argument("--only", default=",".join(CONFIGS), metavar="NAME,...", help="configs")
    parser.add_argument("--rounds", type=arguments.count, default=7, metavar="N", help="rounds (7)")
    flags = parser.parse_args(argv)
    rows, notes = [], []
    for name in flags.only.split(","):
        devices.keep_memory(read(name, flags, "off"))  # all before the first of them starts JAX's threads
    for name in flags.only.split(","):
        cells, more = measure(name, flags)
        rows.append(cells)
        notes += more
    notes.append("Medians, and in brackets quartiles, of ratios within a round; smaller is faster.")
    ratios = ["ours / matrix products", "ours / PyTorch eager", "products / PyTorch eager", "streamed / ours"]
    record.save(
        "train_speed",
        record.command("train_speed", argv),
        "Speed of training, MNIST",
        ["config", "steps", "seconds", "ms a step", *ratios, "full run / its calls"],
        rows,
        notes,
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
