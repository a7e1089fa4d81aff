"""Every tracker that is installed, in its offline mode: a run that is killed and resumed, read back."""

import importlib
import json
import signal
import warnings
from typing import Any

import pytest
from support.commands import SMALL, digest, execute, start
from support.trackers import READERS

from vae_jax.config import flatten
from vae_jax.runs.workdir import read_config
from vae_jax.runs.writer import read_metrics
from vae_jax.system.trackers import TRACKERS

KILLED = """
import os, signal, sys, time
from vae_jax import main
from vae_jax.runs.writer import Writer

def write(self, step, *values, write=Writer.write):
    time.sleep(2 * (step == 60))  # until the checkpoint of step 40 is complete
    write(self, step, *values)
    if step == 60:
        os.kill(os.getpid(), signal.SIGKILL)

Writer.write = write
main.run(sys.argv[1:])
"""
"""A run that ends right after its third row, which its tracker may have or not."""
KEYS = (*SMALL, "--config.num_epochs=4", "--config.checkpoint.every_epochs=2")


@pytest.fixture(scope="module")
def untracked(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("untracked") / "run"
    execute(workdir, "configs/vae.py", *KEYS)
    return workdir


def test_every_tracker_is_read_back():
    assert READERS.keys() == TRACKERS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKERS)
def test_a_run_that_was_killed_and_resumed_is_recorded_once(name, untracked, tmp_path, monkeypatch):
    variables = {
        "WANDB_MODE": "offline",
        "TRACKIO_DIR": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/db",
    }
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(name)
        module: Any = importlib.import_module(name)
        if name == "mlflow":  # by default pictures are in the current folder of the run
            module.MlflowClient().create_experiment("vae_jax", (tmp_path / "artifacts").as_uri())
    workdir, keys = tmp_path / "run", (*KEYS, f"--config.log.tracker={name}")
    process = start("--config=configs/vae.py", f"--workdir={workdir}", *keys, code=KILLED)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, printed
    assert len(read_metrics(workdir)) == 3
    printed = execute(workdir, None)
    assert "resumed after step 40" in printed
    assert printed.count(f"log.tracker={name}: ") == 1, printed
    assert "complete: " in execute(workdir, None)

    memo = json.loads((workdir / "tracker.json").read_text())[name]
    assert memo["complete"] == 80
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recorded = READERS[name](memo, workdir)
    for key in ("epoch", "train/loss", "val/elbo"):
        assert recorded.rows[key] == [(row["step"], row[key]) for row in read_metrics(workdir)]
    results = json.loads((workdir / "results.json").read_text())
    assert recorded.rows["test/elbo"] == [(80, results["test/elbo"])]
    pictures = {path.stem for path in (workdir / "figures").glob("*.png")}
    assert sorted(recorded.media) == sorted({*pictures, "report"})
    for key in ("latent_dim", "log.tracker", "num_epochs"):
        assert str(recorded.config[key]).strip('"') == str(flatten(read_config(workdir))[key])

    assert digest(workdir) == digest(untracked)
    for file in ("metrics.jsonl", "results.json"):
        assert (workdir / file).read_bytes() == (untracked / file).read_bytes()
