"""Data that change or are damaged before a run is resumed."""

import numpy as np
import pytest
from PIL import Image
from support.commands import digest
from support.damage import DAMAGE

from vae_jax.errors import InputError
from vae_jax.train import train_and_evaluate

pytestmark = pytest.mark.fault("data cache damaged, or the source folder changed under a run that continues")


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())


@pytest.fixture
def given(tmp_path):
    """Return the keys for a folder of 120 images and a cache."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for i in range(120):
        Image.fromarray(rng.integers(0, 256, (6, 6), np.uint8)).save(tmp_path / f"images/{i:03}.png")
    folder = {"dataset": "folder", "train_dir": str(tmp_path / "images"), "split": (0.6, 0.2, 0.2)}
    return folder | {"cache_dir": str(tmp_path / "cache"), "batch_size": 24, "log__tensorboard": False}


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_cache_is_rebuilt_and_the_run_has_the_same_bits(
    tmp_path, capsys, make_config, given, how, record_property
):
    train_and_evaluate(make_config(num_epochs=1, **given), tmp_path / "run")
    files = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "compiled" not in path.parts)
    record_property("tried", len(files))
    assert len(files) == 7  # images and labels of three splits, and the metadata
    for epoch, file in enumerate(files, 2):
        DAMAGE[how](file)
        capsys.readouterr()
        train_and_evaluate(make_config(num_epochs=epoch, **given), tmp_path / "run")
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cache: ")]
        if (file.name, how) == ("meta.json", "truncated"):  # without its final newline, which is not needed
            assert told == []
            continue
        assert len(told) == 1
        assert told[0].endswith("; rebuilding it")
    train_and_evaluate(make_config(num_epochs=8, **given), tmp_path / "straight")
    assert digest(tmp_path / "run") == digest(tmp_path / "straight")


CHANGES = {
    "an image more": lambda folder: Image.new("L", (6, 6)).save(folder / "zzz.png"),
    "an image less": lambda folder: (folder / "005.png").unlink(),
    "another image of that name": lambda folder: Image.new("L", (6, 6)).save(folder / "005.png"),
    "none left": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_is_refused_and_the_run_is_kept(tmp_path, make_config, given, change):
    train_and_evaluate(make_config(num_epochs=1, **given), tmp_path / "run")
    before = digest(tmp_path / "run")
    CHANGES[change](tmp_path / "images")
    with pytest.raises(InputError, match=r"the run was trained on other data|no images in it"):
        train_and_evaluate(make_config(num_epochs=2, **given), tmp_path / "run")
    assert digest(tmp_path / "run") == before
