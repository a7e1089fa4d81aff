"""A run's record at a tracker: complete, in order, never doubled; nothing there stops, changes or delays the run."""

import io
import json
import threading
from configparser import ConfigParser

import pytest
from support.fake_tracker import Fake, put_in_place
from support.paths import ROOT
from support.plain_runs import without_pictures

from vae_jax import config as config_lib
from vae_jax import main
from vae_jax.commands import sweep
from vae_jax.config.registries import NAMES
from vae_jax.errors import InputError
from vae_jax.runs import tracking
from vae_jax.runs.tracking import catch_up
from vae_jax.runs.writer import Writer, read_metrics
from vae_jax.system import trackers
from vae_jax.system.console import Console
from vae_jax.system.trackers import TRACKERS, connection
from vae_jax.train import train_and_evaluate

FLAT = {"latent_dim": 3, "hidden_dims": (16,), "dataset": "digits"}
RESULTS = {"step": 3, "epochs": 3, "test/elbo": -7.0, "test/mse": None, "train/elbo": -6.0}
WHOLE = ["start", "log 1", "log 2", "log 3", "log 3", "figure curves", "page", "finish"]
"""The calls for a run of three epochs; the second log at step 3 is that of the test split."""


@pytest.fixture
def fake(monkeypatch):
    return put_in_place(monkeypatch)


def run(workdir, start: int, end: int, tracker: str = "wandb") -> list[str]:
    """Write rows after `start` up to `end`, as a run that resumes there; conclude it at step 3. Return what was printed."""
    with Writer(workdir, start, False, FLAT, tracker=tracker) as writer:
        for step in range(start + 1, end + 1):
            writer.write(step, step, {"train/loss": step / 2, "val/elbo": float("nan") if step == 1 else -step})
        if end == 3:
            write_end(workdir)
            writer.tracking.conclude(RESULTS)
    return writer.tracking.news()


def write_end(workdir) -> None:
    (workdir / "figures").mkdir(exist_ok=True)
    (workdir / "figures" / "curves.png").write_bytes(b"png")
    (workdir / "report.html").write_text("<p>")


def assert_complete(fake: Fake, workdir) -> None:
    """Assert that the one record has everything once, and that the folder says so."""
    (record,) = fake.records.values()
    assert fake.doubled == []
    elbos = {step: -step for step in (2, 3)}
    for name, values in [
        ("train/loss", {s: s / 2 for s in (1, 2, 3)}),
        ("epoch", {s: s for s in (1, 2, 3)}),
        ("val/elbo", elbos),
    ]:
        assert {step: found for (key, step), (found,) in record.items() if key == name} == values
    assert record["test/elbo", 3] == [-7.0]
    assert record["curves", 3] == [b"png"]
    assert record["report", 3] == [b"<p>"]
    assert ("test/mse", 3) not in record
    assert ("train/elbo", 3) not in record
    assert json.loads((workdir / "tracker.json").read_text()) == {"wandb": {"id": "run0", "complete": 3}}


def test_a_run_is_recorded_in_order_with_its_name_and_config(fake, tmp_path):
    assert run(tmp_path / "mine", 0, 3) == ["log.tracker=wandb: record run0"]
    assert fake.calls == WHOLE
    assert_complete(fake, tmp_path / "mine")
    (opening,) = fake.openings
    assert (opening.name, opening.workdir, opening.memo) == ("mine", tmp_path / "mine", {})
    assert opening.config == {"latent_dim": 3, "hidden_dims": [16], "dataset": "digits"}


def test_a_run_that_stops_closes_its_record_and_continues_it_without_doubling(fake, tmp_path):
    run(tmp_path, 0, 2)
    assert fake.calls == ["start", "log 1", "log 2", "finish"]
    run(tmp_path, 1, 3)  # the checkpoint was older than the last row
    assert [opening.memo for opening in fake.openings] == [{}, {"id": "run0"}]
    assert_complete(fake, tmp_path)


def test_rows_that_a_kill_has_lost_are_sent_first(fake, tmp_path):
    run(tmp_path, 0, 2)
    del fake.records["run0"]["train/loss", 1], fake.records["run0"]["epoch", 2]
    fake.calls.clear()
    run(tmp_path, 2, 3)
    assert fake.calls == WHOLE
    assert_complete(fake, tmp_path)


@pytest.mark.parametrize("call", dict.fromkeys(WHOLE))
def test_whatever_fails_is_one_line_and_is_sent_when_the_command_is_repeated(fake, tmp_path, call):
    fake.fail_at = call
    lines = [line for line in run(tmp_path, 0, 3) if line != "log.tracker=wandb: record run0"]
    assert lines == [f"log.tracker=wandb: left out: SystemExit: no {call} here; the run continues; {tracking.REPEAT}"]
    assert fake.calls == WHOLE[: WHOLE.index(call) + 1]
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 2, 3]
    fake.fail_at = ""
    rest = catch_up("wandb", tmp_path, FLAT, read_metrics(tmp_path), RESULTS)
    assert rest == ["log.tracker=wandb: record run0"]
    assert_complete(fake, tmp_path)
    calls = len(fake.calls)
    assert catch_up("wandb", tmp_path, FLAT, read_metrics(tmp_path), RESULTS) == []
    assert len(fake.calls) == calls


def test_a_run_waits_once_for_a_tracker_that_does_not_answer_and_its_rows_are_sent_later(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "SECONDS", 0.1)
    fake.hang_at = "start"
    later = "log.tracker=wandb: no answer yet; the run continues, and its rows are sent when it answers"
    assert run(tmp_path / "one", 0, 3) == [later, f"log.tracker=wandb: no answer; {tracking.REPEAT}"]
    monkeypatch.setattr(connection, "SECONDS", 1000)
    run(tmp_path / "two", 0, 3)
    assert fake.calls == ["start"] * 2
    fake.answer.set()
    for name in ("one", "two"):
        wait_until(
            lambda name=name: (tmp_path / name / "tracker.json").exists() and "complete" in memo(tmp_path / name)
        )
    assert fake.doubled == []
    assert [len(record) for record in fake.records.values()] == [11, 11]


def memo(workdir) -> dict:
    return json.loads((workdir / "tracker.json").read_text())["wandb"]


def wait_until(is_true) -> None:
    for _ in range(1000):
        if is_true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it was not sent")


def test_a_slow_tracker_delays_no_row_and_the_end_by_the_limit_only(fake, tmp_path, monkeypatch):
    fake.hang_at = "log 1"
    with Writer(tmp_path, 0, False, FLAT, tracker="wandb") as writer:
        monkeypatch.setattr(connection, "SECONDS", 0.1)
        writer.write(1, 1, {"train/loss": 0.0})
        writer.write(2, 2, {"train/loss": 0.0})
        assert len(read_metrics(tmp_path)) == 2
    assert writer.tracking.news()[1:] == [f"log.tracker=wandb: not finished after 0.1 s; {tracking.REPEAT}"]
    fake.answer.set()


def test_a_damaged_or_lost_memo_starts_a_new_record(fake, tmp_path):
    for number, content in enumerate(["{", "[]", '{"wandb": 3}']):
        (tmp_path / "tracker.json").write_text(content)
        run(tmp_path, 0, 1)
        assert memo(tmp_path) == {"id": f"run{number}"}


def test_another_tracker_gets_a_record_of_its_own_with_all_rows(fake, tmp_path, monkeypatch):
    run(tmp_path, 0, 2)
    other = Fake()
    monkeypatch.setitem(TRACKERS, "mlflow", other.start)
    run(tmp_path, 2, 3, tracker="mlflow")
    assert other.calls == WHOLE
    assert json.loads((tmp_path / "tracker.json").read_text()) == {
        "wandb": {"id": "run0"},
        "mlflow": {"id": "run0", "complete": 3},
    }


def test_without_a_tracker_nothing_is_started_or_written(fake, tmp_path):
    assert run(tmp_path, 0, 3, tracker="none") == []
    assert not (tmp_path / "tracker.json").exists()
    assert fake.calls == []
    assert "tracker none" not in {thread.name for thread in threading.enumerate()}


def test_the_tracker_is_no_part_of_a_runs_identity(make_config):
    plain, tracked = make_config(), make_config(log__tracker="wandb")
    assert config_lib.differences(plain, tracked) == []
    assert config_lib.run_name(plain, "vae") == config_lib.run_name(tracked, "vae")


def test_every_tracker_has_an_extra_and_is_a_choice():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert set(TRACKERS) <= set(setup["options.extras_require"])
    assert NAMES["log.tracker"] == ("none", *TRACKERS)


def test_an_unknown_tracker_is_refused_with_the_choices(make_config):
    with pytest.raises(InputError) as caught:
        config_lib.validate(make_config(log__tracker="tensorboard"), NAMES)
    assert str(caught.value) == "log.tracker=tensorboard: unknown log.tracker; choices: none, trackio, wandb, mlflow"


def test_a_tracker_that_is_not_installed_is_one_line_before_any_data_are_read(fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vae_jax.data.load", lambda config: pytest.fail("data were read"))
    flags = ["--config=configs/vae.py", f"--workdir={tmp_path / 'run'}", "--config.log.tracker=mlflow"]
    assert main.run(flags) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: log.tracker=mlflow: mlflow is not installed; install it by pip install 'vae_jax[mlflow]'; choices: none, wandb"
    ]
    assert not (tmp_path / "run").exists()


def test_a_sweep_with_a_tracker_that_is_not_installed_trains_nothing(fake, tmp_path, monkeypatch):
    monkeypatch.setattr("vae_jax.sweeps.launchers.local.train_runs", lambda *given: pytest.fail("it trains"))
    flags = ["--config=configs/vae.py", "--over=beta=1,2", f"--output={tmp_path}", "--config.log.tracker=trackio"]
    with pytest.raises(InputError, match=r"^log\.tracker=trackio: trackio is not installed; .*; choices: none, wandb$"):
        sweep.main(flags)


def test_a_folder_with_the_name_of_a_package_is_not_the_package(tmp_path, monkeypatch):
    (tmp_path / "wandb_no_package").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not trackers.installed("wandb_no_package")
    assert not trackers.installed("no_such_package")
    assert trackers.installed("numpy")


def test_a_run_is_whole_when_its_tracker_fails_and_the_repeated_command_completes_the_record(
    fake, make_config, tmp_path, monkeypatch, capsys
):
    without_pictures(monkeypatch)
    config = make_config(num_epochs=2, log__tensorboard=False, log__tracker="wandb")
    fake.fail_at = "page"
    train_and_evaluate(config, tmp_path)
    printed = capsys.readouterr().out
    assert printed.count("log.tracker=wandb: record run0\n") == 1
    assert printed.count("log.tracker=wandb: left out: SystemExit") == 1
    assert fake.calls == ["start", "log 20", "log 40", "log 40", "page"]
    assert [row["step"] for row in read_metrics(tmp_path)] == [20, 40]
    fake.fail_at = ""
    train_and_evaluate(config, tmp_path)
    assert fake.calls[5:] == ["start", "page", "finish"]
    (record,) = fake.records.values()
    assert {step for name, step in record if name == "val/elbo"} == {20, 40}
    assert fake.doubled == []
    printed = capsys.readouterr().out
    assert printed.index("log.tracker=wandb: record run0") < printed.index("complete: 2 epochs")
    train_and_evaluate(config, tmp_path)
    assert "log.tracker" not in capsys.readouterr().out


@pytest.mark.slow
def test_only_the_first_process_sends(fake, make_config, tmp_path, monkeypatch):
    monkeypatch.setattr("vae_jax.system.processes.is_first", lambda: False)
    results = train_and_evaluate(make_config(num_epochs=1, log__tracker="wandb"), tmp_path, Console(io.StringIO()))
    assert "test/elbo" in results
    assert fake.calls == []
