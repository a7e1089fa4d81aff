"""A population equals its runs trained separately, up to rounding; each run has its own files and failures."""

import json
import os
import shlex
import shutil
import signal
from typing import Any

import jax
import numpy as np
import pytest
from conftest import small_config
from support.fake_tracker import put_in_place
from support.paths import ROOT
from support.plain_runs import without_pictures

import vae_jax.sweeps.population.loop as training
import vae_jax.sweeps.population.scheduling as together
from vae_jax import sweeps
from vae_jax.commands import sweep
from vae_jax.errors import InputError, TrainingError
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.runs.writer import history, read_metrics
from vae_jax.sweeps.population import train_population, train_runs
from vae_jax.system import signals
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate
from vae_jax.training.prepare import joined, prepare

CHANGES = {"one": {"seed": 1, "beta": 4.0}, "rate": {"seed": 2, "learning_rate": 3e-3}}
COMMON = {"log__tensorboard": False, "checkpoint__every_epochs": 1, "dropout": 0.1, "num_epochs": 2}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    without_pictures(monkeypatch)


class Lines(list):
    """A stream for a console that collects the lines."""

    def write(self, text):
        self.extend(text.splitlines())

    def flush(self):
        pass

    def isatty(self):
        return False

    def fileno(self):
        raise OSError


def population(root, members, lines=None, **common):
    """Return the outcomes of members (name -> changes), each in root/name."""
    configs = [small_config(**COMMON | common | changes) for changes in members.values()]
    workdirs = [root / name for name in members]
    found = train_population(configs, workdirs, Console(Lines() if lines is None else lines), "stop message")
    return dict(zip(members, found, strict=True))


def alone(root, name, **changes):
    return train_and_evaluate(small_config(**COMMON | changes), root / name, Console(Lines()))


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    """Return the folder with the runs of CHANGES, each trained separately."""
    root = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        for name, changes in CHANGES.items():
            alone(root, name, **changes)
    return root


def latest(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        restored = checkpoints.restore(None)
    assert restored is not None
    return restored


def results_of(workdir):
    return json.loads((workdir / "results.json").read_text())


def assert_same_run(one, other):
    """Assert that rows, latest state and results of two workdirs are equal up to rounding."""
    rows = [history(read_metrics(workdir)) for workdir in (one, other)]
    assert rows[0].keys() == rows[1].keys()
    for name in rows[0].keys() - {"val/active_units"}:
        np.testing.assert_allclose(rows[0][name], rows[1][name], rtol=1e-3, atol=1e-4, err_msg=name)
    states = [latest(workdir) for workdir in (one, other)]
    assert states[0].step == states[1].step
    assert jax.tree.structure(states[0].state) == jax.tree.structure(states[1].state)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-4), *[found.state for found in states]
    )
    numbers = [results_of(workdir) for workdir in (one, other)]
    assert numbers[0].keys() == numbers[1].keys()
    for name in ("val/elbo", "test/elbo", "test/kl", "step", "best_epoch", "epochs"):
        assert numbers[0][name] == pytest.approx(numbers[1][name], rel=1e-3), name


def test_a_run_that_joins_another_keeps_its_own_beta_learning_rate_and_seed(make_config):
    first, own = prepare(make_config()), make_config(beta=3.0, learning_rate=0.5, seed=4)
    run = joined(first, own)
    numbers = {"beta": 3.0, "learning_rate": 0.5, "factor.learning_rate": 1e-4}
    assert {name: float(value) for name, value in run.hparams.items()} == pytest.approx(numbers)
    alone = prepare(own)
    jax.tree.map(np.testing.assert_array_equal, (run.state, run.hparams), (alone.state, alone.hparams))
    assert run.chunk is first.chunk


@pytest.mark.slow
def test_members_on_several_devices_equal_separate_runs(separate, tmp_path, monkeypatch):
    lines, parts = Lines(), set()
    make = training.make_program

    def watched(*arguments):
        program = make(*arguments)

        def stack(states):
            stacked = program.stack(states)
            parts.update(leaf.addressable_shards[0].data.shape[0] for leaf in jax.tree.leaves(stacked))
            return stacked

        return program._replace(stack=stack)

    monkeypatch.setattr(training, "make_program", watched)
    found = population(tmp_path, CHANGES, lines)
    assert parts == {1}, "each of two devices holds one of two members"
    assert "2 runs, 1 on each of 2 devices" in lines
    for name in CHANGES:
        assert found[name] == results_of(tmp_path / name)
        assert_same_run(tmp_path / name, separate / name)
    (told,) = [line for line in lines if line.startswith("epoch 2/2 | 2 runs | ")]
    rows = [read_metrics(tmp_path / name)[-1] for name in CHANGES]
    values = [-(row["train/reconstruction"] + row["train/kl"]) for row in rows]
    assert f"train elbo {np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" in told
    values = [row["val/elbo"] for row in rows]
    assert f"val elbo {np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" in told


@pytest.mark.slow
def test_a_diverging_member_fails_alone_with_uneven_members_per_device(separate, tmp_path):
    lines, bad = Lines(), {"learning_rate": 1e30, "optimizer": "adam"}
    members = {"one": CHANGES["one"], "bad": bad, "rate": CHANGES["rate"]}
    found = population(tmp_path, members, lines, streaming="on")
    assert any("3 runs, not divisible by 2 devices" in line for line in lines)
    error = found["bad"]
    with pytest.raises(TrainingError) as single:
        alone(tmp_path, "single", **bad)
    assert isinstance(error, TrainingError)
    assert str(error) == str(single.value)
    assert "there is no checkpoint yet\ntry a smaller learning_rate (now 1e+30)" in str(error)
    assert not (tmp_path / "bad" / "results.json").exists()
    for name in CHANGES:
        assert_same_run(tmp_path / name, separate / name)


@pytest.mark.slow
def test_a_stopped_population_resumes_from_different_steps_and_skips_finished_runs(separate, tmp_path, monkeypatch):
    count, calls = training.add_metrics, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return count(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "add_metrics", stop)
        with pytest.raises(signals.Stopped, match="stop message") as stopped:
            population(tmp_path, CHANGES, steps_per_dispatch=5)
    assert stopped.value.signum == signal.SIGTERM
    assert {latest(tmp_path / name).step for name in CHANGES} == {30}

    shutil.copytree(separate / "one", tmp_path / "done")
    files = {path: path.read_bytes() for path in (tmp_path / "done").rglob("*") if path.is_file()}
    train, trained = training._train, []

    def watched(common, level, running, state, step, left):
        trained.append((step, left, len(running)))
        return train(common, level, running, state, step, left)

    monkeypatch.setattr(training, "_train", watched)
    found = population(tmp_path, CHANGES | {"done": CHANGES["one"], "new": {"seed": 3}}, steps_per_dispatch=5)
    assert trained == [(0, 20, 1), (20, 10, 1), (30, 10, 3)]
    assert all(path.read_bytes() == content for path, content in files.items()), "a finished run was touched"
    assert found["done"] == results_of(separate / "one")
    for name in CHANGES:
        assert_same_run(tmp_path / name, separate / name)


@pytest.mark.slow
def test_a_population_that_is_stopped_between_epochs_saves_its_states(separate, tmp_path, monkeypatch):
    orders, calls = training.epoch_order, []

    def order(*given):
        calls.append(given)
        if len(calls) == len(CHANGES) + 1:  # the first call of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return orders(*given)

    with monkeypatch.context() as patch:
        patch.setattr(training, "epoch_order", order)
        with pytest.raises(signals.Stopped, match="stop message"):
            population(tmp_path, CHANGES, checkpoint__every_epochs=2)
    assert {latest(tmp_path / name).step for name in CHANGES} == {20}
    assert {len(read_metrics(tmp_path / name)) for name in CHANGES} == {1}
    population(tmp_path, CHANGES)
    for name in CHANGES:
        assert history(read_metrics(tmp_path / name)).keys() == history(read_metrics(separate / name)).keys()
        assert [row["step"] for row in read_metrics(tmp_path / name)] == [20, 40]


@pytest.mark.slow
def test_members_that_stop_early_or_cannot_start_do_not_affect_the_others(tmp_path):
    (tmp_path / "file").touch()
    members = {"high": {"learning_rate": 0.5}, "low": {"num_epochs": 4}, "file": {"seed": 2}}
    found: dict[str, Any] = population(tmp_path, members, early_stopping=1, num_epochs=3)
    assert isinstance(found["file"], InputError)
    values = [row["val/elbo"] for row in read_metrics(tmp_path / "high")]
    assert len(values) == np.argmax(values) + 2 < 3
    assert latest(tmp_path / "high").step == 20 * len(values)
    assert (found["high"]["epochs"], found["low"]["epochs"]) == (len(values), 4)


@pytest.mark.slow
def test_a_sweep_of_populations_is_stopped_resumed_and_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    flags = [
        "--config=configs/vae.py",
        "--over=hidden_dims:beta=16:1,16:4,8:1",
        "--population=on",
        f"--output={tmp_path}",
    ]
    flags += ["--config.num_epochs=1", "--config.log.tensorboard=false"]
    rows = []
    monkeypatch.setattr(sweep, "write_report", lambda runs, finished, *rest: rows.extend(run for run, _ in finished))
    count, calls = training.add_metrics, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 1:  # a second signal would end the process at once
            os.kill(os.getpid(), signal.SIGINT)
        return count(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "add_metrics", stop)
        assert run_command(lambda: sweep.main(flags)) == 130
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f"stopped; resume with: vae-jax sweep {shlex.join(flags)}"
    assert "3 runs, 2 programs: separated by hidden_dims=(16,),(8,)" in told
    assert run_command(lambda: sweep.main(flags)) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert sum(line.startswith("epoch 1/1 | 2 runs") for line in told.out.splitlines()) <= 1
    assert [row.point[1] for row in rows] == [("beta", "1"), ("beta", "4"), ("beta", "1")]


def test_a_population_that_does_not_fit_in_memory_is_halved(make_config, tmp_path, monkeypatch):
    sizes = []

    def train(configs, workdirs, console, stop_message):
        sizes.append(len(configs))
        if len(configs) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return [{"epochs": 1}] * len(configs)

    monkeypatch.setattr(together, "train_population", train)
    runs = [sweeps.Planned((), seed, make_config(seed=seed), tmp_path) for seed in range(4)]
    found = dict(train_runs(runs, sweeps.groups([run.config for run in runs]), Console(Lines()), ""))
    assert sizes == [4, 2, 2]
    assert found == {i: {"epochs": 1} for i in range(4)}


@pytest.mark.slow
def test_each_run_of_a_population_has_a_record_of_its_own_and_a_failure_names_the_run(tmp_path, monkeypatch):
    fake, lines = put_in_place(monkeypatch), Lines()
    population(tmp_path, CHANGES, lines, log__tracker="wandb")
    assert [opening.name for opening in fake.openings] == list(CHANGES)
    assert fake.doubled == []
    for name, record in zip(CHANGES, fake.records.values(), strict=True):
        values = {(key, row["step"]): row[key] for row in read_metrics(tmp_path / name) for key in row if key != "step"}
        assert {at: found for at, (found,) in record.items() if at in values} == values
        assert ("report", 40) in record
        assert any(line.startswith(f"{name}: log.tracker=wandb: record run") for line in lines)
    fake.fail_at = "log 60"
    population(tmp_path, CHANGES, lines := Lines(), log__tracker="wandb", num_epochs=3)
    assert sum("log.tracker=wandb: left out: SystemExit" in line for line in lines) == 2
    assert all(json.loads((tmp_path / name / "results.json").read_text())["epochs"] == 3 for name in CHANGES)
