"""Folders where a run may not write: reported in one line before anything is computed."""

import ctypes
import os
import subprocess

import pytest
from support.commands import FAMILIES, ROOT, command, environment

from vae_jax import main
from vae_jax.train import train_and_evaluate

pytestmark = pytest.mark.fault("read-only workdir, a path that is a file, no permission")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
"""Constants from linux/prctl.h and linux/capability.h."""


def error_line(capsys, workdir) -> str:
    assert main.run([f"--config={ROOT}/configs/vae.py", f"--workdir={workdir}"]) == 2
    out, err = capsys.readouterr()
    assert out == "", "something was computed"
    (line,) = err.splitlines()
    assert line.startswith(f"error: --workdir={workdir}: ")
    return line


@pytest.fixture
def read_only(tmp_path):
    """Return a folder on a file system that is mounted read-only."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(folder)]
    if subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_file_system_is_reported(read_only, capsys):
    assert error_line(capsys, read_only).endswith(f"no permission to write in {read_only}")
    assert error_line(capsys, read_only / "new/run").endswith(f"no permission to write in {read_only}")


@pytest.mark.parametrize("below", ["", "run", "a/b"])
def test_a_path_that_is_a_file_or_below_a_file_is_refused(tmp_path, capsys, below):
    (tmp_path / "file").write_text("mine")
    assert error_line(capsys, tmp_path / "file" / below).endswith("file is a file, not a folder")
    assert (tmp_path / "file").read_text() == "mine"


def without_override() -> None:
    """Drop the capability of this process to write anywhere as root."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["theirs", "theirs/new", "hidden/run"])
def test_a_folder_without_permission_is_reported(tmp_path, place):
    (tmp_path / "theirs").mkdir(mode=0o555)
    (tmp_path / "hidden/run").mkdir(parents=True)
    (tmp_path / "hidden").chmod(0)
    done = subprocess.run(
        command(tmp_path / place, FAMILIES["ae"]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        preexec_fn=without_override,
    )
    (tmp_path / "hidden").chmod(0o755)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: --workdir={tmp_path / place}: no permission to write in ")
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["checkpoints", *(pytest.param(name, marks=pytest.mark.slow) for name in ("metrics.jsonl", "figures"))]
)
def test_a_file_in_place_of_a_folder_and_the_reverse_are_refused(tmp_path, capsys, make_config, monkeypatch, name):
    """It was not made by a run; the error names it."""
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset({"reconstructions"}))
    config = make_config(num_epochs=1, log__tensorboard=False)
    run = tmp_path / "run"
    train_and_evaluate(config, run)
    capsys.readouterr()
    path = run / name
    os.rename(path, tmp_path / "aside")
    path.write_text("mine") if name != "metrics.jsonl" else path.mkdir()
    assert main.run([f"--workdir={run}", "--config.num_epochs=2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert path.is_dir() or path.read_text() == "mine"
