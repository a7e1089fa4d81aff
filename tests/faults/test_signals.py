"""SIGINT and SIGTERM: the state is saved and the run can resume; a second Ctrl-C exits at once without damage."""

import signal
import subprocess
import time

import pytest
from support.commands import FAMILIES, ROOT, command, digest, environment, execute, interrupted, rows_when

from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.writer import read_metrics

pytestmark = pytest.mark.fault("SIGTERM, SIGINT, a second SIGINT")
LOST = "at a second SIGINT what was not yet saved"
SLOW_EPOCHS = ["--config.num_epochs=3", "--config.checkpoint.every_epochs=1", "--config.batch_size=4"]
SLOW_EPOCHS += ["--config.hidden_dims=256,256"]
"""An epoch is one dispatch that takes a second; the first Ctrl-C waits for its end."""


def start(workdir, *flags):
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command(workdir, FAMILIES["vae"], *flags), cwd=ROOT, env=environment(), text=True, stdout=pipe, stderr=pipe
    )


def newest_save(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.latest_step()


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_saves_its_state_and_prints_how_to_resume(tmp_path, record_property, signum, code):
    record_property("lost", LOST)
    # Several dispatches per epoch and no scheduled checkpoint: only the stop saves, in the middle of an epoch.
    flags = ["--config.num_epochs=300", "--config.checkpoint.every_epochs=300", "--config.steps_per_dispatch=7"]
    done, out = interrupted(tmp_path / "run", FAMILIES["vae"], signum, 3, *flags)
    assert done == code
    assert f"python -m vae_jax.main --workdir={tmp_path}/run" in out.splitlines()[-1]
    rows = read_metrics(tmp_path / "run")
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        step = checkpoints.latest_step()
    assert step is not None
    assert step >= rows[-1]["step"]
    epochs = len(rows) + 1
    execute(tmp_path / "run", None, f"--config.num_epochs={epochs}", "--config.checkpoint.every_epochs=1")
    execute(tmp_path / "straight", FAMILIES["vae"], f"--config.num_epochs={epochs}", *flags[1:])
    assert digest(tmp_path / "run") == digest(tmp_path / "straight")
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("run", "straight")]
    assert texts[0] == texts[1]


def test_a_signal_before_training_exits_at_once_and_leaves_no_files(tmp_path):
    process = start(tmp_path / "run")
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "stopped; nothing was written\n", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while a dispatch runs", "while an epoch is saved"])
def test_a_second_ctrl_c_exits_at_once_without_damage(tmp_path, record_property, moment):
    record_property("lost", LOST)
    process = start(tmp_path / "run", *SLOW_EPOCHS)
    rows_when(tmp_path / "run", 2, process)
    if moment == "while a dispatch runs":
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    saved, before = newest_save(tmp_path / "run"), time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert out.splitlines()[-1] == "stopped at once; what was saved is intact"
    assert time.monotonic() - before < 1
    assert newest_save(tmp_path / "run") == saved
    execute(tmp_path / "run", None)
    execute(tmp_path / "straight", FAMILIES["vae"], *SLOW_EPOCHS)
    assert digest(tmp_path / "run") == digest(tmp_path / "straight")
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("run", "straight")]
    assert texts[0] == texts[1]
