"""Speed of training: python -m experiments.benchmarks.train_speed [--data_dir=DIR] [--only=vae,ae,conv_vae] [--rounds=7]

For each config, on MNIST, in one process and interleaved: an epoch of our real loop (`epochs.train_epoch`, with its console
and writer), the bare matrix products of its layers (forward, and both gradients; MLPs only), and an epoch of a small eager
PyTorch loop of the same network, where torch is installed (`pip install torch`). Ratios are medians over rounds of ratios
within a round; a round in which other processes took more than a tenth of the machine is dropped and told. Compilation is not
counted. `full run` is 20 epochs with validation, checkpoints, log files and the final evaluation, against its epochs' calls
of the device alone; figures and start-up are not in it.
"""

import importlib.util
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import record
from vae_jax import arguments, cli, entry, epochs, results, signals
from vae_jax.checkpoint import Checkpoints
from vae_jax.console import Console
from vae_jax.film import Film
from vae_jax.prepare import Prepared, encode_filmed, epoch_order, prepare
from vae_jax.profiling import Profile
from vae_jax.types import Config
from vae_jax.writer import Writer

CONFIGS = {
    "vae": ("configs/vae.py", {"hidden_dims": "400", "latent_dim": "20"}),
    "ae": ("configs/ae.py", {}),
    "conv_vae": ("configs/conv_vae.py", {"num_train": "3200"}),
}
"""Name -> (file, keys). 100 steps make an epoch of the convolutional one."""
FULL_EPOCHS = 20
SHIFTS = 64
BUSY = 0.1
ENOUGH = 3
"""Fewer undisturbed rounds than this, and all are used."""

Timed = Callable[[], Any]


class Bench:
    """Our loop, prepared, in a temporary run directory."""

    def __init__(self, config: Config, workdir: Path) -> None:
        self.run: Prepared = prepare(config)
        self.state, self.progress = jax.tree.map(jnp.copy, self.run.state), epochs.Progress()
        nowhere = open(os.devnull, "w")  # noqa: SIM115
        film = Film(workdir, 0, 0, encode_filmed(self.run))
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
        results.measure(self.run, self.checkpoints, "best")

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


def make_products(config: Config, num_pixels: int, num_steps: int) -> Timed:
    """The matrix products of an epoch of an MLP in one compiled loop: y = x W, dW = x^T g, dx = g W^T (not for pixels)."""
    factor = 2 if config.model == "vae" else 1
    encoder = [num_pixels, *config.hidden_dims, factor * config.latent_dim]
    decoder = [config.latent_dim, *config.hidden_dims[::-1], num_pixels]
    layers = [*itertools.pairwise(encoder), *itertools.pairwise(decoder)]
    keys = jax.random.split(jax.random.key(0), 3 * len(layers)).reshape(3, len(layers))
    batch = config.batch_size
    # Other rows at every step, and nothing a constant: XLA would take what does not change out of the loop.
    xs = [jax.random.normal(k, (batch + SHIFTS, a)) for k, (a, _) in zip(keys[0], layers, strict=True)]
    gs = [jax.random.normal(k, (batch + SHIFTS, b)) for k, (_, b) in zip(keys[1], layers, strict=True)]
    ws = [jax.random.normal(k, (a, b)) / a for k, (a, b) in zip(keys[2], layers, strict=True)]

    def loop(ws: list[jax.Array], xs: list[jax.Array], gs: list[jax.Array]) -> tuple[list[jax.Array], jax.Array]:
        def step(ws: list[jax.Array], shift: jax.Array) -> tuple[list[jax.Array], jax.Array]:
            used, new = jnp.float32(0), []
            for i, (all_x, all_g, w) in enumerate(zip(xs, gs, ws, strict=True)):
                x, g = (jax.lax.dynamic_slice_in_dim(rows, shift, batch) for rows in (all_x, all_g))
                used += (x @ w).max()
                if i > 0:
                    used += (g @ w.T).max()
                new.append(w - 1e-6 * (x.T @ g))
            return new, used

        return jax.lax.scan(step, ws, jnp.arange(num_steps) % SHIFTS)

    compiled = jax.jit(loop)
    return lambda: jax.block_until_ready(compiled(ws, xs, gs))


def interleave(timed: dict[str, Timed], rounds: int) -> tuple[dict[str, np.ndarray], int]:
    """(name -> seconds of each undisturbed round, rounds dropped); each is run once before."""
    for function in timed.values():
        function()
    taken: list[dict[str, float]] = []
    disturbed = []
    for _ in range(rounds):
        start, others = time.perf_counter(), record.others_seconds()
        seconds = {}
        for name, function in timed.items():
            begin = time.perf_counter()
            function()
            seconds[name] = time.perf_counter() - begin
        others = record.others_seconds() - others
        disturbed.append(others > BUSY * (time.perf_counter() - start) * (os.cpu_count() or 1))
        taken.append(seconds)
    kept = [seconds for seconds, bad in zip(taken, disturbed, strict=True) if not bad]
    used = kept if len(kept) >= ENOUGH else taken
    return {name: np.array([seconds[name] for seconds in used]) for name in timed}, len(taken) - len(used)


def contenders(bench: Bench) -> dict[str, Timed]:
    """What is timed for a config."""
    config, order = bench.run.config, bench.order()
    timed: dict[str, Timed] = {"ours": bench.epoch}
    if config.network == "mlp":
        timed["products"] = make_products(config, int(np.prod(bench.run.shape)), len(order))
    if importlib.util.find_spec("torch") is not None:
        from experiments.benchmarks.torch_loops import make_epoch

        eager = make_epoch(config, bench.run.dataset.train.images)
        timed["torch"] = lambda: eager(order)
    return timed


def ratio(seconds: dict[str, np.ndarray], other: str) -> str:
    """Median over rounds of ours / other, with its quartiles."""
    if other not in seconds:
        return ""
    low, middle, high = np.quantile(seconds["ours"] / seconds[other], [0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main(argv: list[str]) -> None:
    """Do what the command line says."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four original files (else downloaded)")
    parser.add_argument("--only", default=",".join(CONFIGS), metavar="NAME,...", help="configs")
    parser.add_argument("--rounds", type=arguments.count, default=7, metavar="N", help="rounds (7)")
    flags = parser.parse_args(argv)
    rows, notes = [], []
    for name in flags.only.split(","):
        file, keys = CONFIGS[arguments.one_of("--only", name, CONFIGS)]
        keys = keys | {"dataset": "mnist", "data_dir": flags.data_dir}
        config = cli.read(cli.Flags(file, "", tuple(keys.items()), help=False))
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(config, Path(folder))
            seconds, dropped = interleave(contenders(bench), flags.rounds)
            steps = len(bench.order())
            own = float(np.median(seconds["ours"]))
            compared = [ratio(seconds, other) for other in ("products", "torch")]
            full = ""
            if name == "vae":
                timed: dict[str, Timed] = {"ours": bench.full, "calls": bench.calls}
                whole, more = interleave(timed, max(ENOUGH, flags.rounds // 2))
                full, dropped = ratio(whole, "calls"), dropped + more
            rows.append([name, steps, f"{own:.2f}", f"{1000 * own / steps:.2f}", *compared, full])
            if dropped:
                notes.append(f"{name}: {dropped} rounds in which other processes were busy are left out.")
    columns = ["config", "steps", "seconds", "ms a step", "ours / matrix products", "ours / PyTorch eager"]
    notes.append("Medians, and in brackets quartiles, of ratios within a round; smaller is faster.")
    record.save(
        "train_speed",
        record.command("train_speed", argv),
        "Speed of training, MNIST",
        [*columns, "full run / its calls"],
        rows,
        notes,
    )


if __name__ == "__main__":
    sys.exit(entry.exit_code(lambda: main(sys.argv[1:])))
