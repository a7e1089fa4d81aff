"""Untrusted files: none is executed, and none is written outside its folder."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.commands import ROOT, environment
from support.fuzzing import run

from vae_jax import config as config_lib
from vae_jax.evaluation.nll import record
from vae_jax.runs import latent_frames


class Payload:
    """An object that runs code when it is unpickled: it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path) -> Path:
    """Return the path of the folder that the payload makes, after a check that unpickling does make it."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "executed")))
    (tmp_path / "executed").rmdir()
    return tmp_path / "executed"


def pickled(mark: Path) -> dict[str, bytes]:
    """Return {file name: content} of files that NumPy unpickles if allowed."""
    array = np.array([Payload(mark)], object)
    files = {"bare.npy": pickle.dumps(Payload(mark)), "bare.npz": pickle.dumps(Payload(mark))}
    for name, save in {
        "array.npy": lambda file: np.save(file, array, allow_pickle=True),
        "images.npz": lambda file: np.savez(file, images=array),
        "labels.npz": lambda file: np.savez(file, images=np.zeros((30, 4, 4), np.uint8), labels=array),
        "fields.npz": lambda file: np.savez(file, **dict.fromkeys(record.FINGERPRINT, array)),
    }.items():
        buffer = io.BytesIO()
        save(buffer)
        files[name] = buffer.getvalue()
    return files


@pytest.mark.fault("files that carry code")
def test_a_pickle_is_refused_and_not_executed(tmp_path, mark, record_property):
    for name, content in pickled(mark).items():
        (tmp_path / name).write_bytes(content)
        given = [
            f"--config.data_dir={tmp_path / name}",
            f"--config.cache_dir={tmp_path}/cache",
            f"--workdir={tmp_path}/run",
        ]
        ended = run(["--config=configs/vae.py", "--config.dataset=arrays", *given])
        if name != "fields.npz":
            assert ended.code == 2
            assert "pickled Python objects are never loaded" in ended.lines[0]
        assert record.read(tmp_path / name) is None
        frame = tmp_path / latent_frames.FOLDER / "0.npy"
        frame.parent.mkdir(exist_ok=True)
        frame.write_bytes(content)
        assert latent_frames.load_frames(tmp_path, 1) is None
        assert not mark.exists(), name
    record_property("tried", 3 * len(pickled(mark)))


@pytest.mark.fault("paths that lead outside")
def test_names_in_an_archive_do_not_lead_outside_the_folder(tmp_path, record_property):
    names = ["../images", "../../images", str(tmp_path / "outside"), "a/../../images", "images/../../x", "..\\images"]
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((30, 4, 4), np.uint8))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", buffer.getvalue())
    given = [f"--config.data_dir={tmp_path}/x.npz", f"--config.cache_dir={tmp_path}/a/b/cache"]
    ended = run(["--config=configs/vae.py", "--config.dataset=arrays", *given, f"--workdir={tmp_path}/run"])
    assert ended.code == 2
    assert "no array named images" in ended.lines[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "x.npz"]
    assert not (tmp_path / "outside.npy").exists()
    record_property("tried", len(names))


@pytest.mark.slow
@pytest.mark.fault("files that carry code")
def test_no_file_in_a_workdir_is_executed(tmp_path, mark, record_property):
    config = config_lib.defaults()
    config.update({"num_train": 64, "batch_size": 32, "num_epochs": 1, "hidden_dims": (8,), "latent_dim": 2})
    config.log.latent_every_steps = 1
    workdir = tmp_path / "run"
    (workdir / latent_frames.FOLDER).mkdir(parents=True)
    (workdir / "config.json").write_text(config_lib.to_json(config))
    modules = [
        "config",
        "get_config",
        "conftest",
        "sitecustomize",
        "usercustomize",
        "json",
        "jax",
        "numpy",
        "vae_jax",
        "__init__",
    ]
    for module in [*modules, "__main__", "setup"]:
        (workdir / f"{module}.py").write_text(f"import os\nos.makedirs({str(mark)!r}, exist_ok=True)\n")
    (workdir / "evil.pth").write_text(f"import os; os.makedirs({str(mark)!r})\n")
    for name, content in pickled(mark).items():
        for place in (
            workdir / name,
            workdir / "nll.npz",
            workdir / "results.json",
            workdir / latent_frames.FOLDER / "0.npy",
        ):
            place.write_bytes(content)
    tried = (["vae_jax.main"], ["experiments.visualize", "--only=animation"], ["experiments.nll", "--samples=2"])
    for module, *flags in tried:
        command = [sys.executable, "-m", module, f"--workdir={workdir}", *flags]
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert not mark.exists(), command
    assert json.loads((workdir / "results.json").read_text())["step"] == 2
    record_property("tried", len(tried))
