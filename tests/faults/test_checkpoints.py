"""Damage to a checkpoint of the trainer: detected before a step is taken, reported, and an older one is used."""

import io
import subprocess

import pytest
from support.commands import ROOT, command, environment
from support.damage import DAMAGE, flip_bit

from vae_jax import main
from vae_jax.runs.checkpoint import MANIFEST
from vae_jax.system.console import Console
from vae_jax.system.signals import StopRequest
from vae_jax.training.opening import open_session
from vae_jax.training.prepare import prepare
from vae_jax.training.session import Session

pytestmark = pytest.mark.fault("a file of the newest checkpoint truncated, deleted, emptied or one bit flipped")
LOST = "the steps since the older checkpoint, trained again"


def contents(folder):
    """Return the contents of all files that are not empty: an empty file cannot be damaged."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def steps_of(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdecimal())


@pytest.mark.parametrize(
    "name", ["flipped", *(pytest.param(n, marks=pytest.mark.slow) for n in DAMAGE if n != "flipped")]
)
def test_damage_to_any_file_is_detected_before_a_step_is_taken(damaged, make_config, record_property, capfd, name):
    config = make_config(num_epochs=4, checkpoint__every_epochs=1, log__tensorboard=False)
    run, (older, newest) = prepare(config), steps_of(damaged)[-2:]
    files, rows = contents(damaged / "checkpoints" / str(newest)), (damaged / "metrics.jsonl").read_bytes()
    files = {path: intact for path, intact in files.items() if intact or name == "deleted"}
    assert len(files) > 15
    assert any(path.name == MANIFEST for path in files)
    record_property("tried", len(files))
    record_property("lost", LOST)
    for path, intact in files.items():
        DAMAGE[name](path)
        with open_session(run, damaged, StopRequest(), Console(io.StringIO())) as start:
            assert isinstance(start, Session)
            assert start.state is not None
            assert start.progress.step == int(start.state.step) == older, path
        (warning,) = capfd.readouterr().err.splitlines()
        assert f"checkpoints/{newest} is damaged (" in warning
        assert warning.endswith(f"; using {damaged}/checkpoints/{older}")
        assert path.exists() == (name != "deleted")
        path.write_bytes(intact)
        (damaged / "metrics.jsonl").write_bytes(rows)
    with open_session(run, damaged, StopRequest(), Console(io.StringIO())) as start:
        assert isinstance(start, Session)
        assert start.progress.step == newest
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_training_resumes_from_an_older_checkpoint_with_the_same_bits(damaged, continued, record_property, capfd):
    record_property("lost", LOST)
    newest = steps_of(damaged)[-1]
    flip_bit(max((damaged / "checkpoints" / str(newest) / "state").rglob("*"), key=lambda path: path.stat().st_size))
    continued()
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert (damaged / "checkpoints" / f"{newest}.set-aside-0").is_dir()


def test_without_an_intact_checkpoint_the_command_fails_in_one_line_and_deletes_nothing(damaged, capfd):
    for step in steps_of(damaged):
        (damaged / "checkpoints" / str(step) / MANIFEST).unlink()
    before = contents(damaged)
    assert main.run([f"--workdir={damaged}", "--config.num_epochs=4"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {damaged}/checkpoints: no intact checkpoint is left: ")
    assert all(f"{damaged}/checkpoints/{step} is damaged (MANIFEST is missing)" in line for step in steps_of(damaged))
    assert contents(damaged) == before


@pytest.mark.slow
def test_a_damaged_checkpoint_is_reported_on_stderr_and_the_run_resumes(damaged, record_property):
    record_property("lost", LOST)
    older, newest = steps_of(damaged)[-2:]
    DAMAGE["truncated"](damaged / "checkpoints" / str(newest) / "state" / "_METADATA")
    words = command(damaged, None, "--config.num_epochs=4")
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=300, check=False)
    broken, used = (damaged / "checkpoints" / str(step) for step in (newest, older))
    assert done.stderr == f"{broken} is damaged (state/_METADATA has changed); using {used}\n"
    message = f"resumed after step {older}; it was saved on 2 CPU devices and continues on 1 CPU device: equal up to"
    assert message in done.stdout
    assert done.returncode == 0
