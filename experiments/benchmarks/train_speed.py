"""Speed of training: python -m experiments.benchmarks.train_speed [--data_dir=DIR] [--only=vae,...] [--rounds=7]

For each config, these take turns on MNIST in one process:
- `ours`: an epoch of our real loop (`epochs.train_epoch`, with its console and writer);
- `streamed`: our loop with `streaming=on`, which reads the images of each call from the mapped file;
- `products`: the bare matrix products of the layers (forward and both gradients), for MLPs only;
- `torch`: an epoch of a small eager PyTorch loop of the same network, if torch is installed (`pip install torch`);
- `pythae`: for `vq_vae`, an epoch of pythae's own trainer with the same layers, batch size and number of parameters, and a
  codebook set by moving averages too, if pythae is installed. Both minimise a squared error: pythae has no other. Ours also
  moves dead codes.

With `--only` the table has the names of its configs, so that the whole table stays as it was measured. On a busy machine, pin
the process to one core (`taskset -c 1 python -m ...`): PyTorch's threads spin while they wait for one that is not running, and
with several cores the ratio then compares the spinning.

Ratios are medians over rounds of ratios within a round. A round in which other processes took more than a tenth of the machine
is dropped and reported, unless fewer than three would be left. `products / PyTorch` compares the products alone with PyTorch's
whole loop. Compilation is not counted. `full run` compares 20 epochs with validation, checkpoints, log files and the final
evaluation with the calls of the device alone, without figures and start-up.
"""

import importlib.util
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import record
from experiments.benchmarks.bench import Bench
from experiments.benchmarks.products import make_products
from experiments.benchmarks.rounds import ENOUGH, Timed, describe_disturbed, interleave
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import InputError, one_of
from vae_jax.models import model_params, num_parameters
from vae_jax.system import devices
from vae_jax.system.command import run_command
from vae_jax.types import Config

VAE = {"hidden_dims": "400", "latent_dim": "20", "batch_size": "128", "log.latent_every_steps": "0"}
CONFIGS = {
    "vae": ("configs/vae.py", VAE),
    "ae": ("configs/ae.py", {}),
    "conv_vae": ("configs/conv_vae.py", {"num_train": "3200"}),
    "vq_vae": ("configs/vq_vae.py", {"num_train": "1280", "likelihood": "gaussian", "log.latent_every_steps": "0"}),
}
"""Name -> (file, keys). An epoch of conv_vae has 100 steps, and one of vq_vae 10."""


def contenders(bench: Bench, streamed: Bench, folder: Path) -> dict[str, Timed]:
    """Return the functions that are timed for a config, by name; a peer may write files to the folder."""
    config, order = bench.run.config, bench.order()
    timed: dict[str, Timed] = {"ours": bench.epoch, "streamed": streamed.epoch}
    if config.network == "mlp":
        timed["products"] = make_products(config, int(np.prod(bench.run.shape)), len(order))
    if config.model == "quantized":
        if importlib.util.find_spec("pythae") is not None:
            timed["pythae"] = pythae_epoch(bench, folder)
    elif importlib.util.find_spec("torch") is not None:
        from experiments.benchmarks.torch_loops import make_epoch

        eager = make_epoch(config, bench.run.dataset.train.images)
        timed["torch"] = lambda: eager(order)
    return timed


def pythae_epoch(bench: Bench, folder: Path) -> Timed:
    """Return an epoch of pythae's trainer, after a check that its model has as many parameters as ours.

    Raises:
        InputError: it has not: the numbers would be of two networks.
    """
    from experiments.benchmarks import pythae_loop

    trainer = pythae_loop.make_trainer(bench.run.config, bench.run.dataset.train.images, folder)
    theirs, ours = pythae_loop.num_parameters(trainer), num_parameters(model_params(bench.session.whole_state().params))
    if theirs != ours:
        raise InputError(f"pythae's model has {theirs:,} parameters, and ours {ours:,}: the times would not compare")
    return pythae_loop.make_epoch(trainer)


def ratio(seconds: dict[str, np.ndarray], one: str, other: str) -> str:
    """Return the median over rounds of one / other, with quartiles; empty if either was not timed."""
    return record.quartiles(seconds[one] / seconds[other]) if {one, other} <= set(seconds) else ""


def read(name: str, flags: Any, streaming: str) -> Config:
    """Read a config of CONFIGS, on MNIST."""
    file, keys = CONFIGS[one_of("--only", name, CONFIGS)]
    keys = keys | {"dataset": "mnist", "data_dir": flags.data_dir, "streaming": streaming}
    return command_line.read_file(file, tuple(keys.items()))


def measure(name: str, flags: Any) -> tuple[list[str], list[str]]:
    """Return the cells and the notes of a config."""
    configs = [read(name, flags, mode) for mode in ("off", "on")]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as files:
        bench, streamed = (Bench(config, Path(folder, config.streaming), files) for config in configs)
        seconds, disturbed = interleave(contenders(bench, streamed, Path(folder)), flags.rounds)
        notes = [describe_disturbed(name, disturbed, flags.rounds)]
        full = ""
        if name == "vae":
            timed: dict[str, Timed] = {"ours": bench.full, "calls": bench.calls}
            rounds = max(ENOUGH, flags.rounds // 2)
            whole, disturbed = interleave(timed, rounds)
            full = ratio(whole, "ours", "calls")
            notes.append(describe_disturbed(f"{name}, full run", disturbed, rounds))
    steps, own = len(bench.order()), float(np.median(seconds["ours"]))
    pairs = (("ours", "products"), ("ours", "torch"), ("products", "torch"), ("ours", "pythae"), ("streamed", "ours"))
    compared = [ratio(seconds, one, other) for one, other in pairs]
    return [name, str(steps), f"{own:.2f}", f"{1000 * own / steps:.2f}", *compared, full], list(filter(None, notes))


def main(argv: list[str]) -> None:
    """Run the command."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument("--only", default=",".join(CONFIGS), metavar="NAME,...", help=f"configs ({','.join(CONFIGS)})")
    parser.add_argument("--rounds", type=arguments.count, default=7, metavar="N", help="rounds (7)")
    flags = parser.parse_args(argv)
    rows, notes = [], []
    for name in flags.only.split(","):
        devices.keep_memory(read(name, flags, "off"))  # for all configs, before the first one starts JAX's threads
    for name in flags.only.split(","):
        cells, more = measure(name, flags)
        rows.append(cells)
        notes += more
    notes.append("Ratios are taken within a round: medians, with quartiles in brackets; smaller is faster.")
    ratios = ["ours / matrix products", "ours / PyTorch eager", "products / PyTorch eager", "ours / pythae"]
    some = "" if flags.only == parser.get_default("only") else flags.only
    record.save(
        "_".join(filter(None, ["train_speed", *some.split(",")])),
        record.command("train_speed", argv),
        "Speed of training, MNIST" + f": {some}" * bool(some),
        ["config", "steps", "seconds", "ms per step", *ratios, "streamed / ours", "full run / its calls"],
        rows,
        notes,
    )


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
