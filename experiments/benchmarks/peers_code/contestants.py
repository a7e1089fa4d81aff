"""The peers of experiments/benchmarks/peers.py: how each is installed and run from our process."""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.benchmarks.peers_code import processes
from experiments.benchmarks.peers_code.processes import Failed
from vae_jax import config as config_lib
from vae_jax.system import disk
from vae_jax.system.cache_folder import cache_root

BATCH_SIZE, LEARNING_RATE = 128, 1e-3
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
OURS = "vae_jax"
TORCH = "torch==2.13.0"


class Network(NamedTuple):
    """The sizes of an encoder; the decoder mirrors them."""

    hidden_dims: tuple[int, ...]
    latent_dim: int

    def __str__(self) -> str:
        return "-".join(map(str, (784, *self.hidden_dims, self.latent_dim)))


class Peer(NamedTuple):
    """The installation and the command of a peer."""

    module: str
    """The file of peers_code/ that trains the peer."""
    installs: tuple[tuple[str, ...], ...]
    """The requirements of each pip command, in order: torch first, so that nothing else chooses its version."""
    packages: tuple[str, ...]
    """The packages whose versions are in the table."""
    network: Network
    environ: dict[str, str]


class Measured(NamedTuple):
    """The results of one run; times are seconds."""

    epoch: float
    training: float
    process: float
    elbo: float
    versions: str


SMALL, DEEP = Network((400,), 20), Network((512, 256), 10)
PEERS = {
    "pythae": Peer("with_pythae", ((TORCH,), ("pythae",)), ("pythae", "torch"), SMALL, {}),
    "keras-jax": Peer("with_keras", (("keras", "jax"),), ("keras", "jax"), SMALL, {"KERAS_BACKEND": "jax"}),
    "keras-torch": Peer("with_keras", ((TORCH,), ("keras",)), ("keras", "torch"), SMALL, {"KERAS_BACKEND": "torch"}),
    "torch-loader": Peer("with_torch", ((TORCH, "numpy"),), ("torch",), DEEP, {}),
    "torch-images": Peer("with_torch", ((TORCH, "numpy", "pillow"),), ("torch", "pillow"), DEEP, {}),
}


def place(flags: Any) -> None:
    """Make --data_dir and --envs absolute, and create --envs, by default peers/ in the cache folder.

    Raises:
        InputError: --envs cannot be created or written.
    """
    flags.data_dir = str(Path(flags.data_dir).expanduser().resolve()) if flags.data_dir else ""
    envs = flags.envs or cache_root(config_lib.defaults()) / "peers"
    flags.envs = disk.make_folder("--envs", envs.expanduser().resolve())


def make_environment(name: str, envs: Path) -> Path:
    """Return the interpreter of a peer's environment, which is made if it is missing or has other requirements.

    Raises:
        Failed: pip failed; the message has its reason.
    """
    peer, folder, log = PEERS[name], envs / name, envs / f"{name}.log"
    python, made = folder / ("Scripts" if os.name == "nt" else "bin") / "python", folder / "requirements.txt"
    wanted = "".join(f"{requirement}\n" for group in peer.installs for requirement in group)
    if made.is_file() and made.read_text(encoding="utf-8") == wanted:
        return python
    made.unlink(missing_ok=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    for command in ([sys.executable, "-m", "venv", str(folder)], *([*pip, *group] for group in peer.installs)):
        try:
            processes.finish(command, log, os.environ)
        except Failed:
            raise Failed(f"not installed: {processes.reason(log)}") from None
    made.write_text(wanted, encoding="utf-8")
    return python


def ask(name: str, module: str, python: Path, task: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Run a file of peers_code/ on the CPU, with the interpreter of a peer's environment, and return its answer.

    Args:
        name: the name of the peer.
        module: the name of the file.
        python: the interpreter.
        task: the fields of the task; `answer` names the JSON file to write, and NAME.log is written beside it.
        seconds: the time after which the process is killed.

    Raises:
        Failed: the process failed or was killed.
    """
    answer = Path(task["answer"])
    answer.unlink(missing_ok=True)
    log, environ = answer.parent / f"{name}.log", os.environ | ON_THE_CPU | PEERS[name].environ
    processes.finish([str(python), "-m", f"{__package__}.{module}", json.dumps(task)], log, environ, seconds)
    if not answer.is_file():
        raise Failed(f"failed: {processes.reason(log)}")
    return json.loads(answer.read_text(encoding="utf-8"))


def train_peer(name: str, python: Path, flags: Any, seed: int, scratch: Path) -> Measured:
    """Train a peer once.

    Raises:
        Failed: the process failed or was killed.
    """
    peer = PEERS[name]
    task = {
        "images": str(scratch / "images.npz"),
        "answer": str(scratch / f"{name}.json"),
        "scratch": str(scratch / name),
        "packages": peer.packages,
        **peer.network._asdict(),
        "epochs": flags.epochs,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "seed": seed,
    }
    started = time.perf_counter()
    facts = ask(name, peer.module, python, task, flags.timeout)
    process = time.perf_counter() - started
    seconds = facts["seconds"]
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    return Measured(statistics.median(seconds[1:]), sum(seconds), process, facts["elbo"], versions)


def train_ours(network: Network, flags: Any, seed: int, scratch: Path) -> Measured:
    """Train with `python -m vae_jax.main` once.

    Raises:
        Failed: the process failed or was killed.
    """
    workdir, log = scratch / f"{network}-{seed}", scratch / f"{OURS}.log"
    keys = {"dataset": "mnist", "data_dir": flags.data_dir, "num_train": flags.num_train, "seed": seed}
    keys |= {"hidden_dims": ",".join(map(str, network.hidden_dims)), "latent_dim": network.latent_dim}
    keys |= {"batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE, "num_epochs": flags.epochs}
    # The peers validate no epoch, so neither do we; the best checkpoint is then the last.
    keys |= {"eval.every_epochs": flags.epochs + 1}
    command = [sys.executable, "-m", "vae_jax.main", "--config=configs/vae.py", f"--workdir={workdir}"]
    command += [f"--config.{key}={value}" for key, value in keys.items()]
    times = []
    started = time.perf_counter()
    for line in processes.lines(command, log, os.environ | ON_THE_CPU, flags.timeout):
        if line.startswith(("vae (", "epoch ")):
            times.append(time.perf_counter())
    seconds = time.perf_counter() - started
    facts = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
    epochs = np.diff(times)[1:].tolist()
    if facts["epochs"] != flags.epochs or facts["best_epoch"] != flags.epochs or len(epochs) != flags.epochs - 1:
        raise Failed("failed: the printed epochs are not the requested ones")
    versions = ", ".join(f"{package} {facts['versions'][package]}" for package in ("jax", "flax"))
    return Measured(statistics.median(epochs), times[-1] - times[0], seconds, facts["test/elbo"], versions)
