"""The whole training loop: the files of a run, stopping, and resuming without changing a bit."""

import gzip
import itertools
import json
import os
import re
import signal

import jax
import numpy as np
import pytest
from support.commands import FAMILIES, digest, execute, results_of
from support.plain_runs import without_pictures

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.randomness import epoch_order
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.writer import history, read_metrics
from vae_jax.system import signals
from vae_jax.train import train_and_evaluate
from vae_jax.training import epochs, feed, measure


@pytest.mark.slow
def test_one_two_and_eight_devices_give_the_same_losses(tmp_path):
    for devices in (1, 2, 8):
        execute(
            tmp_path / str(devices), FAMILIES["vae"], "--config.num_epochs=3", "--config.dropout=0.2", devices=devices
        )
    one, *others = [history(read_metrics(tmp_path / name)) for name in ("1", "2", "8")]
    assert {"train/loss", "val/elbo", "val/kl"} <= one.keys()
    for other in others:
        assert other.keys() == one.keys()
        for name, (_, values) in one.items():
            np.testing.assert_allclose(other[name][1], values, rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_output_to_a_pipe_is_plain_lines_and_a_finished_run_is_reported(tmp_path):
    out = execute(tmp_path / "run", FAMILIES["vae"], "--config.num_epochs=2", "--config.log.parameters=true")
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", out)
    assert out.startswith("vae (")
    assert re.search(
        r"^vae \(mlp, latent 4, [\d,]+ parameters\) on digits .*1,294/144/359.*1 CPU device, in ", out, re.M
    )
    assert re.search(r"^decoder/output/kernel +\(32, 64\) +2,048$", out, re.M)
    assert len(re.findall(r"^epoch \d/2  train elbo -.* val elbo +-.* reconstruction .* kl ", out, re.M)) == 2
    for name in ("curves", "reconstructions", "samples", "latent_scatter"):
        assert f"figures/{name}.png" in out
        assert (tmp_path / "run" / "figures" / f"{name}.png").stat().st_size > 5000
    assert out.count("* marks the best checkpoint so far, by val/elbo") == 1
    assert not re.search(r"^loss ", out, re.M), "at beta = 1 the loss repeats the elbo with the other sign"
    last = out.splitlines()[-1]
    assert re.fullmatch(rf"done in [\d a-z]+; open the page in a browser: {tmp_path}/run/report.html", last)
    files = {
        path.relative_to(tmp_path / "run"): path.read_bytes()
        for path in (tmp_path / "run").rglob("*")
        if path.is_file()
    }
    again = execute(tmp_path / "run", None)
    assert "complete: 2 epochs" in again
    assert str(tmp_path / "run") in again
    assert all((tmp_path / "run" / name).read_bytes() == content for name, content in files.items())


@pytest.fixture
def run(tmp_path, make_config, capsys, monkeypatch):
    """Return a function (name, changes) -> the results of a tiny run in this process, without figures."""
    without_pictures(monkeypatch)

    def train(name: str = "run", **changes):
        return train_and_evaluate(make_config(**changes), tmp_path / name)

    return train


def test_results_contain_metrics_pixels_likelihood_and_split_sizes(run, tmp_path):
    measured = run(checkpoint__every_epochs=1)
    assert measured == results_of(tmp_path / "run")
    assert measured["pixels"] == "grey"
    assert measured["likelihood"] == "bernoulli"
    assert measured["num_images"] == {"train": 1294, "val": 144, "test": 359}
    for split in measure.SPLITS:
        assert measured[f"{split}/elbo"] == pytest.approx(
            -measured[f"{split}/reconstruction"] - measured[f"{split}/kl"]
        )
    rows = read_metrics(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    best = max(rows, key=lambda row: row["val/elbo"])
    assert measured["best_epoch"] == best["epoch"]
    assert measured["val/elbo"] == pytest.approx(best["val/elbo"], rel=1e-6)
    assert any((tmp_path / "run").glob("events.out.tfevents.*"))


def test_an_autoencoder_reports_mse_and_never_an_elbo(run):
    measured = run(model="ae", objective="reconstruction", likelihood="gaussian")
    assert "test/mse" in measured
    assert not any("elbo" in name or "kl" in name or "active" in name for name in measured)


@pytest.mark.slow
def test_a_larger_num_epochs_extends_the_run_bit_for_bit(run, tmp_path):
    run("straight", num_epochs=5, checkpoint__every_epochs=1)
    run("extended", num_epochs=2, checkpoint__every_epochs=1)
    run("extended", num_epochs=5, checkpoint__every_epochs=1)
    assert digest(tmp_path / "extended") == digest(tmp_path / "straight")
    assert results_of(tmp_path / "extended") == results_of(tmp_path / "straight")
    files = {path: path.read_bytes() for path in (tmp_path / "extended").rglob("*") if path.is_file()}
    run("extended", num_epochs=2, checkpoint__every_epochs=1)
    assert all(path.read_bytes() == content for path, content in files.items()), "a complete run was touched"


@pytest.mark.slow
def test_images_streamed_from_disk_give_the_same_bits(run, tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (500, 6, 6, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    data = {"dataset": "arrays", "data_dir": str(tmp_path / "images.npy"), "cache_dir": str(tmp_path / "cache")}
    run("resident", **data, streaming="off")
    monkeypatch.setattr(feed, "BYTES_OF_A_CALL", 2 * 64 * 108)
    run("streamed", **data, streaming="on")
    assert digest(tmp_path / "streamed") == digest(tmp_path / "resident")
    assert results_of(tmp_path / "streamed") == results_of(tmp_path / "resident")
    assert results_of(tmp_path / "streamed")["pixels"] == "colour"


@pytest.mark.parametrize(("epochs", "told"), [(1.0, True), pytest.param(2.0, False, marks=pytest.mark.slow)])
def test_a_schedule_that_ends_before_the_run_is_reported(run, capsys, epochs, told):
    run(num_epochs=2, schedule="cosine", schedule_epochs=epochs)
    assert ("the learning rate is 0 after epoch 1 (schedule_epochs)" in capsys.readouterr().out) == told


def test_nothing_is_compiled_twice(run, caplog):
    jax.config.update("jax_log_compiles", True)  # not the context: the training call is compiled in another thread
    try:
        run(num_epochs=3, checkpoint__every_epochs=1)
    finally:
        jax.config.update("jax_log_compiles", False)
    programs = re.findall(r"Compiling jit\((\w+)\) with", caplog.text)
    assert (programs.count("chunk"), programs.count("call_terms")) == (1, 1)
    for shared in ("copy_state", "_all_finite"):  # an earlier test of this process may have compiled them
        assert programs.count(shared) <= 1, shared


@pytest.mark.slow
def test_the_run_is_determined_by_its_seed(run, tmp_path):
    run("a", num_epochs=1)
    run("b", num_epochs=1)
    run("c", num_epochs=1, seed=1)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


@pytest.mark.slow
def test_other_data_under_the_same_name_are_refused(run, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (300, 5, 5), np.uint8)
    np.save(tmp_path / "a.npy", images)
    np.save(tmp_path / "b.npy", images[::-1])
    run(dataset="arrays", data_dir=str(tmp_path / "a.npy"), cache_dir=str(tmp_path / "cache"))
    before = digest(tmp_path / "run")
    with pytest.raises(InputError, match="dataset=arrays: the run was trained on other data"):
        run(dataset="arrays", data_dir=str(tmp_path / "b.npy"), cache_dir=str(tmp_path / "cache"), num_epochs=5)
    assert digest(tmp_path / "run") == before


@pytest.mark.slow
def test_a_run_that_was_killed_before_its_evaluation_is_completed(run, tmp_path):
    first = run()
    (tmp_path / "run" / "results.json").unlink()
    assert run() == first
    assert [row["epoch"] for row in read_metrics(tmp_path / "run")] == [1, 2, 3]


@pytest.mark.slow
def test_early_stopping_counts_checkpoints_without_a_better_metric(run, tmp_path):
    # A learning rate so large that the validation metric goes up and down.
    changes = {"checkpoint__every_epochs": 1, "early_stopping": 3, "learning_rate": 0.05}
    measured = run(num_epochs=50, **changes)
    values = [row["val/elbo"] for row in read_metrics(tmp_path / "run")]
    best = int(np.argmax(values))
    assert len(values) == best + 1 + 3
    assert measured["best_epoch"] == best + 1
    rows = (tmp_path / "run" / "metrics.jsonl").read_text()
    run(num_epochs=60, **changes)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == rows


@pytest.mark.slow
def test_best_is_chosen_after_the_warm_up_only(run, tmp_path, monkeypatch):
    """The loss is lowest in the first epoch, and lowest of the remaining ones at the end of the warm-up."""
    losses = iter([1.0, 4.0, 2.0, 3.0, 2.5])
    monkeypatch.setattr(epochs, "summarize_validation", lambda per_image: {"val/loss": next(losses)})
    measured = run(num_epochs=5, checkpoint__every_epochs=1, kl_warmup_epochs=3.0, beta=8.0)
    assert [row["val/loss"] for row in read_metrics(tmp_path / "run")] == [1.0, 4.0, 2.0, 3.0, 2.5]
    assert measured["best_epoch"] == 3


@pytest.mark.slow
def test_only_epochs_with_validation_and_checkpoint_can_be_the_best(run, tmp_path, monkeypatch):
    losses = iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(epochs, "summarize_validation", lambda per_image: {"val/loss": next(losses)})
    changes = {"eval__every_epochs": 2, "checkpoint__every_epochs": 3, "checkpoint__best_metric": "val/loss"}
    measured = run(num_epochs=7, early_stopping=1, **changes)  # patience counts only these epochs
    rows = read_metrics(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [*range(1, 8)]
    assert [row["epoch"] for row in rows if "val/loss" in row] == [2, 4, 6, 7]
    assert all("train/loss" in row for row in rows)
    assert measured["best_epoch"] == 6


@pytest.mark.slow
def test_the_last_epoch_is_a_candidate_for_the_best_checkpoint(run, tmp_path, monkeypatch):
    """It is validated and saved off schedule; early stopping does not count it, so an extended run is unchanged."""
    losses = iter([2.0, 1.0])
    monkeypatch.setattr(epochs, "summarize_validation", lambda per_image: {"val/loss": next(losses)})
    changes = {"eval__every_epochs": 2, "checkpoint__every_epochs": 2, "checkpoint__best_metric": "val/loss"}
    assert run(num_epochs=3, **changes)["best_epoch"] == 3
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        latest, best = checkpoints.info("latest"), checkpoints.info("best")
    assert latest is not None
    assert (latest.info["best"], latest.info["stale"]) == (-2.0, 0)
    assert best == latest


@pytest.mark.slow
def test_a_warm_up_longer_than_the_run_still_gives_a_best_checkpoint(run, tmp_path):
    assert run(num_epochs=2, kl_warmup_epochs=5.0, checkpoint__every_epochs=1)["best_epoch"] == 2


def signalling(at: int):
    """Return an `epoch_order` that requests a stop of the process in its call number `at`."""
    calls = itertools.count(1)

    def order(*given):
        if next(calls) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return epoch_order(*given)

    return order


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3])
def test_a_signal_between_epochs_does_not_finish_an_epoch_twice(run, tmp_path, monkeypatch, at):
    changes = {"num_epochs": 4, "checkpoint__every_epochs": 1}
    with monkeypatch.context() as patch:
        patch.setattr(epochs, "epoch_order", signalling(at))
        with pytest.raises(signals.Stopped):
            run(**changes)
    assert [row["epoch"] for row in read_metrics(tmp_path / "run")] == [*range(1, at)]
    run(**changes)
    run("straight", **changes)
    assert (tmp_path / "run/metrics.jsonl").read_text() == (tmp_path / "straight/metrics.jsonl").read_text()
    assert digest(tmp_path / "run") == digest(tmp_path / "straight")


@pytest.mark.slow
def test_best_metric_cannot_be_changed_for_an_existing_run(run, tmp_path):
    """-val/loss and val/elbo are different quantities if beta is not 1."""
    run(num_epochs=1, beta=0.5)
    before = digest(tmp_path / "run")
    for epochs_more in (1, 2):
        with pytest.raises(
            InputError, match=r"best_metric=val/elbo: .* compared by val/loss; choices: auto, or a new run"
        ):
            run(num_epochs=epochs_more, beta=0.5, checkpoint__best_metric="val/elbo")
    assert digest(tmp_path / "run") == before
    assert (
        run(num_epochs=2, beta=0.5, checkpoint__best_metric="val/loss")["epochs"] == 2
    )  # the same metric, given by name


@pytest.mark.slow
def test_a_run_that_stopped_early_prints_how_to_resume(run, tmp_path, monkeypatch, capsys):
    losses = itertools.count(1.0)
    monkeypatch.setattr(epochs, "summarize_validation", lambda per_image: {"val/loss": next(losses)})
    changes = {"num_epochs": 9, "checkpoint__every_epochs": 1, "checkpoint__best_metric": "val/loss"}
    run(**changes, early_stopping=1)
    assert f"--workdir={tmp_path / 'run'} --config.early_stopping=0\n" in capsys.readouterr().out
    run(**changes, early_stopping=1)
    told = capsys.readouterr().out
    assert "complete: 2 epochs, stopped early" in told
    assert "--config.early_stopping=0" in told
    assert run(**changes)["epochs"] == 9
    assert "--config.num_epochs=18" in capsys.readouterr().out


def test_the_order_of_an_epoch_is_a_permutation_that_depends_only_on_seed_and_epoch():
    order = epoch_order(3, 5, 103, 10)
    assert order.shape == (10, 10)
    assert len(np.unique(order)) == 100
    assert order.max() < 103
    np.testing.assert_array_equal(order, epoch_order(3, 5, 103, 10))
    assert (order != epoch_order(3, 6, 103, 10)).any()
    assert (order != epoch_order(4, 5, 103, 10)).any()


@pytest.mark.slow
def test_keys_outside_the_identity_can_change_on_resuming_without_changing_a_bit(run, tmp_path):
    changed = {"steps_per_dispatch": 3, "eval.batch_size": 10, "eval.every_epochs": 2, "checkpoint.every_epochs": 2}
    changed |= {"log.tensorboard": False, "log.parameters": True, "log.latent_every_steps": 4, "streaming": "on"}
    changed |= {"early_stopping": 7, "compilation_cache": False, "cache_dir": str(tmp_path)}
    assert {key.name for key in config_lib.KEYS if not key.identity} - changed.keys() == {
        "num_epochs", "log.profile", "log.tracker", "checkpoint.best_metric", "data_dir", "train_dir", "val_dir", "test_dir",
        "skip_broken", "data_workers",  # the digits have neither files nor shards
    }  # fmt: skip
    run(num_epochs=1)
    run(num_epochs=2, **{name.replace(".", "__"): value for name, value in changed.items()})
    again = config_lib.flatten(config_lib.from_json((tmp_path / "run" / "config.json").read_text(), "stored"))
    assert {name: again[name] for name in changed} == changed
    run("straight", num_epochs=2)
    assert digest(tmp_path / "run") == digest(tmp_path / "straight")


@pytest.mark.slow
def test_a_trace_is_written_on_request_and_changes_nothing(run, tmp_path, capsys):
    run("plain", num_epochs=1)
    run("traced", num_epochs=1, log__profile=True, steps_per_dispatch=7)
    (trace,) = (tmp_path / "traced" / "profile").rglob("*.trace.json.gz")
    assert f"trace: {trace}" in capsys.readouterr().out
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert any("chunk" in str(event.get("name")) for event in events)
    assert digest(tmp_path / "plain") == digest(tmp_path / "traced")
