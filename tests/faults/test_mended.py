"""Files of a run that are damaged or belong to another run."""

import json
import re
import shutil

import numpy as np
import pytest
from support.plain_runs import without_pictures
from support.slow import first_fast

from vae_jax import config as config_lib
from vae_jax import main
from vae_jax.errors import InputError
from vae_jax.runs import workdir
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.loading import load_run
from vae_jax.runs.writer import read_metrics
from vae_jax.train import train_and_evaluate
from vae_jax.training import prepare

HALVES = {"half": lambda text: text[: len(text) // 2], "empty": lambda text: "", "zeros": lambda text: "\0" * len(text)}
LOST = (*HALVES, "gone")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_config):
    """Return a run of two epochs, with a checkpoint per epoch."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vae_jax.artifacts.figures.QUICK", frozenset({"reconstructions"}))
        train_and_evaluate(make_config(num_epochs=2, checkpoint__every_epochs=1, log__tensorboard=False), folder)
    return folder


@pytest.fixture
def damaged(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(autouse=True)
def _print_again():
    workdir._print_once.cache_clear()


@pytest.mark.fault("config.json half-written or lost")
@pytest.mark.parametrize("how", first_fast(LOST))
def test_a_missing_config_is_restored_from_the_checkpoint(damaged, capsys, monkeypatch, how):
    without_pictures(monkeypatch)
    path, before = damaged / "config.json", (damaged / "config.json").read_text()
    path.unlink() if how == "gone" else path.write_text(HALVES[how](before))
    assert json.loads(config_lib.to_json(load_run(damaged).config)) == json.loads(before)
    assert main.run([f"--workdir={damaged}", "--config.num_epochs=3"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "config.json" in line]
    assert len(told) == 1
    assert told[0].startswith(f"{path}: ")
    assert told[0].endswith("; the config is taken from the checkpoint of step 40")
    assert json.loads(path.read_text()) == json.loads(before) | {"num_epochs": 3}
    assert [row["epoch"] for row in read_metrics(damaged)] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.fault("config.json half-written or lost")
@pytest.mark.parametrize("how", HALVES)
def test_before_the_first_checkpoint_the_run_starts_from_scratch(damaged, capsys, make_config, how):
    path, before = damaged / "config.json", (damaged / "config.json").read_text()
    for name in ("checkpoints", "figures", "results.json", "report.html"):
        (shutil.rmtree if (damaged / name).is_dir() else lambda file: file.unlink())(damaged / name)
    path.write_text(HALVES[how](before))
    assert main.run([f"--workdir={damaged}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: not a run's configuration: damaged")
    train_and_evaluate(make_config(num_epochs=1, log__tensorboard=False), damaged)
    assert "and there is no checkpoint: starting from scratch" in capsys.readouterr().err
    assert json.loads(path.read_text())["num_epochs"] == 1
    assert [row["epoch"] for row in read_metrics(damaged)] == [1]


@pytest.mark.fault("config.json half-written or lost")
def test_a_damaged_config_json_among_other_files_is_not_changed(tmp_path, make_config):
    (tmp_path / "config.json").write_text("{half")
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"damaged, .*: not a run; name a new or empty folder"):
        train_and_evaluate(make_config(), tmp_path)
    assert (tmp_path / "config.json").read_text() == "{half"
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "thesis.tex"}


FOREIGN = "a checkpoint from another config, shape, data set or format"


def content(folder):
    return {
        path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and "checkpoints" in path.parts
    }


OTHER_FORMATS = [
    (lambda info: info | {"format": 99}, "the checkpoint of step 40 has format 99, this version reads format 2"),
    (lambda info: info | {"format": 1}, "step 40 has format 1, this version reads format 2; a new run needs another"),
    (lambda info: {k: v for k, v in info.items() if k != "format"}, "step 40 has format 0, this version reads"),
    (lambda info: {k: v for k, v in info.items() if k not in ("best", "stale")}, "step 40 lacks best, stale; a new"),
    (lambda info: {k: v for k, v in info.items() if k != "spec"}, "step 40 lacks spec; a new run needs another"),
]
"""What a checkpoint says of itself is changed so, and the words of the refusal."""


@pytest.mark.fault(FOREIGN)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": 2.0}, "beta=2.0: the checkpoint of step 40 has beta=1.0"),
        pytest.param({"seed": 3}, "seed=3: the checkpoint of step 40 has seed=0", marks=pytest.mark.slow),
        ({"latent_dim": 5}, "params/decoder/Dense_0/kernel: saved float32[3,16], the config gives float32[5,16]"),
        pytest.param({"model": "ae", "objective": "reconstruction"}, "does not fit:", marks=pytest.mark.slow),
        pytest.param({"num_train": 200}, "num_train=200: the checkpoint of", marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_of_another_config_is_refused_with_the_differing_keys(damaged, changes, words):
    """The config of one run is next to the checkpoints of another, as after copying folders by hand."""
    config = workdir.read_config(damaged)
    config.update(changes)
    workdir.record(config, damaged)
    before = content(damaged)
    with pytest.raises(InputError) as caught:
        train_and_evaluate(config, damaged)
    assert words in str(caught.value)
    with pytest.raises(InputError):
        load_run(damaged)
    assert content(damaged) == before


@pytest.mark.fault(FOREIGN)
@pytest.mark.parametrize(("change", "words"), first_fast(OTHER_FORMATS, every=3))
def test_another_checkpoint_format_is_refused(damaged, change, words):
    with Checkpoints(damaged / "checkpoints") as checkpoints:
        restored = checkpoints.restore(None)
        assert restored is not None
        checkpoints.save(41, restored.state, change(restored.info), None)
    with pytest.raises(InputError, match=words.replace("step 40", "step 41")):
        train_and_evaluate(workdir.read_config(damaged), damaged)


@pytest.mark.slow
@pytest.mark.fault(FOREIGN)
def test_other_images_under_the_same_name_are_refused(tmp_path, make_config):
    images = np.random.default_rng(0).integers(0, 256, (400, 6, 6), np.uint8)
    given = {"dataset": "arrays", "data_dir": str(tmp_path / "images.npy"), "cache_dir": str(tmp_path / "cache")}
    config = make_config(num_epochs=1, log__tensorboard=False, **given)
    np.save(tmp_path / "images.npy", images)
    train_and_evaluate(config, tmp_path / "run")
    for other in (255 - images, images[:300], images[:, :5]):
        np.save(tmp_path / "images.npy", other)
        config.num_epochs = 2
        with pytest.raises(InputError, match=r"the run was trained on other data|does not fit"):
            train_and_evaluate(config, tmp_path / "run")
    np.save(tmp_path / "images.npy", images)
    train_and_evaluate(config, tmp_path / "run")
    assert [row["epoch"] for row in read_metrics(tmp_path / "run")] == [1, 2]


NAN = "NaN or inf: learning rate 1e6, a NaN in a data array"


@pytest.mark.slow
@pytest.mark.fault(NAN)
def test_a_diverging_loss_stops_within_one_dispatch_and_keeps_the_checkpoints(damaged, capsys, monkeypatch):
    """Two good epochs, then a learning rate of 1e30: hparams are in no checkpoint, so the run is the same otherwise."""
    best, before = load_run(damaged).step, content(damaged)
    right = prepare.make_hparams
    monkeypatch.setattr(prepare, "make_hparams", lambda *given: right(*given) | {"learning_rate": np.float32(1e30)})
    flags = ["--config.num_epochs=3", "--config.steps_per_dispatch=1"]
    assert main.run([f"--workdir={damaged}", *flags]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert re.match(r"error: step 4[12] \(epoch 3\): not finite: (loss|reconstruction|kl)=(nan|inf)", first)
    assert first.endswith("; the checkpoint of step 40 is intact")
    assert second.startswith("error: try a smaller learning_rate")
    assert content(damaged) == before
    assert load_run(damaged).step == best
    monkeypatch.undo()
    assert main.run([f"--workdir={damaged}", *flags]) == 0
    assert [row["epoch"] for row in read_metrics(damaged)] == [1, 2, 3]


@pytest.mark.fault(NAN)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_in_the_data_that_is_not_finite_is_reported_before_training(tmp_path, make_config, bad):
    images = np.random.default_rng(0).random((100, 6, 6), np.float32)
    images[70, 2, 3] = bad
    np.save(tmp_path / "images.npy", images)
    given = {"dataset": "arrays", "data_dir": str(tmp_path / "images.npy"), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(InputError, match=r"images.npy: "):
        train_and_evaluate(make_config(**given), tmp_path / "run")
    assert not (tmp_path / "run").exists()
