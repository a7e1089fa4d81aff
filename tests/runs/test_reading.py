"""Checkpoints that the training process removes while another process reads them."""

import fcntl
import os
import shutil
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from support.commands import SMALL, start

import vae_jax
from vae_jax.errors import InputError
from vae_jax.runs.checkpoint import MANIFEST, Checkpoints, manifest, reading
from vae_jax.runs.checkpoint.orbax_store import OrbaxStore
from vae_jax.system import locks


def state(step: int) -> dict[str, Any]:
    return {"params": {"kernel": jnp.full(3, step, jnp.float32)}, "step": jnp.asarray(step)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with steps 1, 2 and 3; the best is step 1."""
    directory = tmp_path_factory.mktemp("saved") / "checkpoints"
    with Checkpoints(directory) as checkpoints:
        for step, metric in {1: -1.0, 2: -2.0, 3: -3.0}.items():
            checkpoints.save(step, state(step), {"epoch": step}, metric)
    return directory


@pytest.fixture
def directory(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "checkpoints")


def read_params(directory: Path, which: Any = "best", step: int | None = None) -> int:
    with Checkpoints(directory, read_only=True) as checkpoints:
        restored = checkpoints.restore_params(lambda _: state(0)["params"], which, step)
    assert restored is not None
    assert restored.info == {"epoch": restored.step}
    np.testing.assert_array_equal(restored.state["kernel"], restored.step)
    return restored.step


def read_state(directory: Path, which: Any = "best") -> int:
    with Checkpoints(directory, read_only=True) as checkpoints:
        restored = checkpoints.restore(state(0), which)
    assert restored is not None
    np.testing.assert_array_equal(restored.state["params"]["kernel"], restored.step)
    return restored.step


def before_first(patch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], object]) -> None:
    """Call `act` before the first call of a function, and the function then as always."""
    original, todo = getattr(owner, name), [act]

    def patched(*args: Any, **kw: Any) -> Any:
        while todo:
            todo.pop()()
        return original(*args, **kw)

    patch.setattr(owner, name, patched)


MOMENTS = {
    "ranked": (manifest, "metric_of", read_params),
    "verified": (manifest, "damage", read_params),
    "its info is read": (OrbaxStore, "read_info", read_params),
    "its parameters are read": (OrbaxStore, "read_part", read_params),
    "its state is read": (OrbaxStore, "read", read_state),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_checkpoint_that_vanishes_while_it_is_read_is_no_damage(directory, monkeypatch, capsys, moment):
    """The trainer has saved a better one and removed step 1, between the listing and this moment."""
    owner, name, read = MOMENTS[moment]

    def train() -> None:
        with Checkpoints(directory) as checkpoints:
            checkpoints.save(4, state(4), {"epoch": 4}, 0.0)
        shutil.rmtree(directory / "1", ignore_errors=True)

    before_first(monkeypatch, owner, name, train)
    assert read(directory) == 4
    assert "".join(capsys.readouterr()) == ""


def test_a_step_that_is_asked_for_and_vanishes_is_missing(directory, monkeypatch):
    before_first(monkeypatch, OrbaxStore, "read_part", lambda: shutil.rmtree(directory / "1"))
    with pytest.raises(InputError, match=r"there is no step 1, only 2, 3$"):
        read_params(directory, step=1)


def test_a_removal_takes_its_time_and_is_no_damage_while_the_run_is_trained(directory, capsys):
    (directory / "1" / "state" / "_METADATA").unlink()

    def remove() -> None:
        time.sleep(0.2)
        shutil.rmtree(directory / "1")

    with locks.locked(directory.parent):
        thread = threading.Thread(target=remove)
        thread.start()
        assert read_params(directory) == 2
        thread.join()
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize("trained", [True, False])
def test_a_step_that_stays_and_cannot_be_read_is_damaged(directory, monkeypatch, capsys, trained):
    monkeypatch.setattr(reading, "_REMOVAL_SECONDS", 0.05)
    (directory / "1" / MANIFEST).unlink()
    (directory / "3" / "state" / "_METADATA").unlink()
    if trained:
        with locks.locked(directory.parent):
            assert read_params(directory, "latest") == 2
    else:
        assert read_params(directory, "latest") == 2
    assert f"{directory / '3'} is damaged (" in capsys.readouterr().err


def test_a_reader_of_a_run_that_is_trained_has_a_copy_which_is_removed(directory, tmp_path, monkeypatch):
    """Tensorstore's threads print tracebacks when a file vanishes under them, so nothing may vanish."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before_first(monkeypatch, OrbaxStore, "read_part", lambda: shutil.rmtree(directory / "1"))
    with locks.locked(directory.parent):
        assert read_params(directory) == 1
    assert not [*tmp_path.glob("vae_jax-*")]


def test_a_run_that_is_trained_is_read_without_a_copy_if_there_is_no_room_for_one(directory, monkeypatch):
    """A copy that filled the disk would stop the training, which saves on it."""
    with locks.locked(directory.parent):
        monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
        assert read_params(directory) == 1
        monkeypatch.setattr("tempfile.tempdir", None)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1000))
        monkeypatch.setattr(shutil, "copytree", None)
        assert read_params(directory) == 1


def test_a_look_at_the_lock_does_not_stop_a_training_that_starts(tmp_path):
    look = (tmp_path / locks.FILE).open("w+")
    fcntl.flock(look, fcntl.LOCK_SH)
    thread = threading.Timer(0.03, look.close)
    thread.start()
    with locks.locked(tmp_path):
        assert f"process {os.getpid()} on" in (locks.holder(tmp_path) or "")
    thread.join()
    assert locks.holder(tmp_path) is None


def test_before_the_first_checkpoint_the_line_names_the_process_that_trains(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with locks.locked(tmp_path), pytest.raises(InputError, match=r"no checkpoint yet; process .* is training it; wait"):
        vae_jax.load_run(tmp_path)


@pytest.mark.slow
def test_a_run_can_be_read_at_any_time_while_it_is_trained_with_a_save_each_epoch(tmp_path, capfd):
    flags = ["--config.checkpoint.every_epochs=1", "--config.num_epochs=100000"]
    process = start("--config=configs/vae.py", *SMALL, f"--workdir={tmp_path}/run", *flags)
    try:
        while not [*tmp_path.glob("run/checkpoints/*/MANIFEST")]:
            assert process.poll() is None
            time.sleep(0.02)
        steps = [vae_jax.load_run(tmp_path / "run", which).step for _ in range(50) for which in ("best", "latest")]
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    assert len(set(steps)) > 10, "the run was hardly trained while it was read"
    assert "".join(capfd.readouterr()) == ""
