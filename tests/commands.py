"""Runs as a person starts them, in processes of their own: started, stopped, and their bits compared."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from vae_jax.checkpoint import Checkpoints

ROOT = Path(__file__).parents[1]
FAMILIES = {"vae": "configs/vae.py", "ae": "configs/ae.py"}
TINY = ["--config.hidden_dims=32", "--config.latent_dim=4", "--config.batch_size=32", "--config.log.tensorboard=false"]


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


def digest(workdir: Path) -> str:
    """sha256 of everything in the latest checkpoint's state."""
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        restored = checkpoints.restore(None)
    assert restored is not None
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(restored.state):
        total.update(f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}".encode() + np.asarray(leaf).tobytes())
    return total.hexdigest()


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
