"""Who runs, how each is installed, and one run of each: this side of experiments/benchmarks/peers.py."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
BATCH_SIZE, LEARNING_RATE = 128, 1e-3
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
OURS = "vae_jax"
TORCH = "torch==2.13.0"


class Network(NamedTuple):
    """Sizes of an encoder; the decoder mirrors them."""

    hidden_dims: tuple[int, ...]
    latent_dim: int

    def __str__(self) -> str:
        return "-".join(map(str, (784, *self.hidden_dims, self.latent_dim)))


class Peer(NamedTuple):
    """How to install and run one."""

    module: str
    """The file of peers_code/ that trains it."""
    installs: tuple[tuple[str, ...], ...]
    """Requirements for one pip command after another: torch first, so that nothing else chooses its version."""
    packages: tuple[str, ...]
    """Whose versions the table names."""
    network: Network
    environ: dict[str, str]


class Measured(NamedTuple):
    """One run; seconds."""

    epoch: float
    training: float
    process: float
    elbo: float
    versions: str


class Failed(Exception):
    """Why a peer has no numbers."""


SMALL, DEEP = Network((400,), 20), Network((512, 256), 10)
PEERS = {
    "pythae": Peer("with_pythae", ((TORCH,), ("pythae",)), ("pythae", "torch"), SMALL, {}),
    "keras-jax": Peer("with_keras", (("keras", "jax"),), ("keras", "jax"), SMALL, {"KERAS_BACKEND": "jax"}),
    "keras-torch": Peer("with_keras", ((TORCH,), ("keras",)), ("keras", "torch"), SMALL, {"KERAS_BACKEND": "torch"}),
    "torch-loader": Peer("with_torch", ((TORCH, "numpy"),), ("torch",), DEEP, {}),
}


def make_environment(name: str, envs: Path) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there or not of these requirements.

    Raises:
        Failed: with pip's reason.
    """
    peer, folder, log = PEERS[name], envs / name, envs / f"{name}.log"
    python, made = folder / ("Scripts" if os.name == "nt" else "bin") / "python", folder / "requirements.txt"
    wanted = "".join(f"{requirement}\n" for group in peer.installs for requirement in group)
    if made.is_file() and made.read_text(encoding="utf-8") == wanted:
        return python
    made.unlink(missing_ok=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    with log.open("wb") as output:
        for command in ([sys.executable, "-m", "venv", str(folder)], *([*pip, *group] for group in peer.installs)):
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode:
                raise Failed(f"not installed: {reason(log)}")
    made.write_text(wanted, encoding="utf-8")
    return python


def reason(log: Path) -> str:
    """The last error in a log, or its last line, short enough for a cell."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no reason given"])[-1].replace("|", "/")[:120]


def train_peer(name: str, python: Path, flags: Any, seed: int, scratch: Path) -> Measured:
    """One run of a peer.

    Raises:
        Failed: it did not end well.
    """
    peer, log, answer = PEERS[name], scratch / f"{name}.log", scratch / "answer.json"
    task = {
        "images": str(scratch / "images.npz"),
        "answer": str(answer),
        "scratch": str(scratch / name),
        "packages": peer.packages,
        **peer.network._asdict(),
        "epochs": flags.epochs,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "seed": seed,
    }
    answer.unlink(missing_ok=True)
    command, environ = [str(python), "-m", f"{__package__}.{peer.module}", json.dumps(task)], os.environ | ON_THE_CPU
    started = time.perf_counter()
    with log.open("wb") as output:
        status = subprocess.run(command, cwd=ROOT, env=environ | peer.environ, stdout=output, stderr=output).returncode
    process = time.perf_counter() - started
    if status or not answer.is_file():
        raise Failed(f"failed: {reason(log)}")
    facts = json.loads(answer.read_text(encoding="utf-8"))
    seconds = facts["seconds"]
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    return Measured(statistics.median(seconds[1:]), sum(seconds), process, facts["elbo"], versions)


def train_ours(network: Network, flags: Any, seed: int, scratch: Path) -> Measured:
    """One run of `python -m vae_jax.main`.

    Raises:
        Failed: it did not end well.
    """
    workdir, log = scratch / f"{network}-{seed}", scratch / f"{OURS}.log"
    keys = {"dataset": "mnist", "data_dir": flags.data_dir, "num_train": flags.num_train, "seed": seed}
    keys |= {"hidden_dims": ",".join(map(str, network.hidden_dims)), "latent_dim": network.latent_dim}
    keys |= {"batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE, "num_epochs": flags.epochs}
    # No epoch is validated, as none of the peers' is; the best checkpoint is then the last.
    keys |= {"eval.every_epochs": flags.epochs + 1}
    command = [sys.executable, "-m", "vae_jax.main", "--config=configs/vae.py", f"--workdir={workdir}"]
    command += [f"--config.{key}={value}" for key, value in keys.items()]
    times = []
    started = time.perf_counter()
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | ON_THE_CPU, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(("vae (", "epoch ")):
                times.append(time.perf_counter())
    seconds = time.perf_counter() - started
    if process.returncode:
        raise Failed(f"failed: {reason(log)}")
    facts = json.loads((workdir / "results.json").read_text(encoding="utf-8"))
    epochs = np.diff(times)[1:].tolist()
    if facts["epochs"] != flags.epochs or facts["best_epoch"] != flags.epochs or len(epochs) != flags.epochs - 1:
        raise Failed("failed: the epochs that were told are not those that were asked for")
    versions = ", ".join(f"{package} {facts['versions'][package]}" for package in ("jax", "flax"))
    return Measured(statistics.median(epochs), times[-1] - times[0], seconds, facts["test/elbo"], versions)
