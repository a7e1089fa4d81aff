"""Runs as a person starts them, in processes of their own: started, stopped, and their bits compared."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from experiments.faults.compare import digest as digest
from experiments.faults.started import ROOT
from vae_jax.runs.writer import read_metrics

FAMILIES = {"vae": "configs/vae.py", "ae": "configs/ae.py"}
QUIET = ["--config.log.tensorboard=false", "--config.log.latent_every_steps=0"]
TINY = ["--config.hidden_dims=32", "--config.latent_dim=4", "--config.batch_size=32", *QUIET]


def command(workdir: Path, config: str | None, *flags: str) -> list[str]:
    first = [] if config is None else [f"--config={config}", *TINY]
    return [sys.executable, "-m", "vae_jax.main", f"--workdir={workdir}", *first, *flags]


def environment(devices: int = 1) -> dict[str, str]:
    return os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "PYTHONUNBUFFERED": "1"}


def execute(*arguments, code: int = 0, **kw) -> str:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=ROOT, env=environment(**kw), timeout=300
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def rows_when(workdir: Path, count: int, process: subprocess.Popen) -> None:
    """Wait until the run has written that many rows."""
    metrics, limit = workdir / "metrics.jsonl", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < limit:
        if metrics.exists() and metrics.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.005)
    raise AssertionError(f"the run ended or hung before row {count}: {process.communicate()}")


def interrupted(workdir: Path, config: str, signum: int, after: int, *flags: str) -> tuple[int, str]:
    """Start a run, send a signal at a random moment after some rows; exit code and what it printed."""
    process = subprocess.Popen(
        command(workdir, config, *flags),
        cwd=ROOT,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    rows_when(workdir, after, process)
    time.sleep(random.random() * 0.1)
    process.send_signal(signum)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out


def results_of(workdir: Path) -> dict:
    return json.loads((workdir / "results.json").read_text())


SMALL = [
    "--config.hidden_dims=(16,)",
    "--config.latent_dim=3",
    "--config.batch_size=64",
    *QUIET,
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


MAIN = "from vae_jax import main; sys.exit(main.run(sys.argv[1:]))"


def start(
    *arguments: str, devices: int = 1, code: str = MAIN, variables: dict[str, str] | None = None
) -> subprocess.Popen:
    """A process with so many virtual devices; figures are left out."""
    words = [
        sys.executable,
        "-c",
        f"import sys; import vae_jax.artifacts.figures as f; f.QUICK = frozenset(); {code}",
        *arguments,
    ]
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"} | (variables or {})
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def start_two(first: list[str], second: list[str]) -> list[subprocess.Popen]:
    where = f"--distributed=127.0.0.1:{free_port()},2"
    return [start(f"{where},{i}", *arguments) for i, arguments in enumerate((first, second))]


def finish(running: list[subprocess.Popen]) -> tuple[list[int], list[str]]:
    out = [process.communicate(timeout=120)[0] for process in running]
    return [process.returncode for process in running], out


def assert_same_metrics(workdir: Path, other: Path) -> None:
    rows, others = read_metrics(workdir), read_metrics(other)
    assert len(rows) == len(others)
    for row, expected in zip(rows, others, strict=True):
        assert row.keys() == expected.keys()
        np.testing.assert_allclose(list(row.values()), list(expected.values()), rtol=1e-4, atol=1e-5)
