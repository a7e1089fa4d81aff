"""Runs for several values of a key, and their report."""

import io

import pytest
from support.paths import ROOT

from vae_jax.commands import sweep
from vae_jax.errors import InputError
from vae_jax.runs.loading import load_run
from vae_jax.sweeps import Planned, parse_over, report
from vae_jax.sweeps.launchers import local
from vae_jax.sweeps.population import scheduling
from vae_jax.system.console import Console


@pytest.mark.slow
def test_a_sweep_trains_reports_failures_and_skips_finished_runs(run, tmp_path, capsys, monkeypatch):
    flags = ["--config=configs/vae.py", "--over=batch_size=64,100000", "--seeds=0,1", f"--output={tmp_path}"]
    flags += ["--config.hidden_dims=16", "--config.num_epochs=1", "--config.log.tensorboard=false"]
    done = run("experiments.sweep", *flags)
    assert done.returncode == 1
    assert "failed: batch_size=100000 seed=1: batch_size=100000: " in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = tmp_path.glob("sweep-*")
    assert {path.name for path in folder.iterdir()} == {"sweep.csv", "sweep.png", "images.png", "compare.html"}
    lines = (folder / "sweep.csv").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("64,2,")
    (found,) = [line for line in done.stdout.splitlines() if line.startswith("batch_size=64")]
    assert "±" in found

    monkeypatch.chdir(ROOT)
    assert sweep.main(flags) == 1
    assert capsys.readouterr().out.count("complete: 1 epoch,") == 2
    (folder / "sweep.csv").unlink()
    assert sweep.main([*flags[:1], "--over=batch_size=100000", *flags[2:]]) == 1


@pytest.mark.slow
def test_a_sweep_of_beta_reports_last_checkpoints_and_draws_rate_against_distortion(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    flags = ["--config=configs/vae.py", "--over=beta=0.1,4", f"--output={tmp_path}", "--config.hidden_dims=16"]
    flags += ["--config.num_epochs=2", "--config.checkpoint.every_epochs=1", "--config.log.tensorboard=false"]
    drawn = []

    def load(workdir, which):
        drawn.append(which)
        return load_run(workdir, which)

    monkeypatch.setattr(report, "load_run", load)
    assert sweep.main(flags) == 0
    assert drawn == ["latest", "latest"]
    assert "last checkpoint; nats per image" in capsys.readouterr().out
    (folder,) = tmp_path.glob("sweep-*")
    assert {path.name for path in folder.iterdir()} == {
        "sweep.csv",
        "sweep.png",
        "images.png",
        "rate_distortion.png",
        "compare.html",
    }
    for row in (folder / "sweep.csv").read_text().splitlines()[1:]:
        assert "last checkpoint" in row


def test_the_spelling_of_a_config_changes_no_run_of_a_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vae").write_text((ROOT / "configs" / "vae_2d.py").read_text())
    planned = []

    def train_none(runs, *given):
        planned.append(runs)
        yield from ((i, InputError("not trained")) for i in range(len(runs)))

    monkeypatch.setattr(local, "train_runs", train_none)
    for config in ("vae", f"{ROOT}/configs/vae.py", "./vae"):
        assert sweep.main([f"--config={config}", "--over=latent_dim=2,3", "--output=sweeps"]) == 1
    name, path, other = planned
    assert [run.workdir for run in name] == [run.workdir for run in path] != [run.workdir for run in other]
    assert all(run.workdir.name.startswith("vae-digits-z") for run in (*name, *other))


def test_a_run_that_fails_is_named_with_its_reason_and_gives_exit_code_1(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    reported = []
    outcomes = {0: {"epochs": 1}, 1: InputError("no such folder"), 2: {"epochs": 2000}}
    monkeypatch.setattr(local, "train_runs", lambda *given: iter(outcomes.items()))
    monkeypatch.setattr(sweep, "write_report", lambda runs, done, *given: reported.append((len(runs), len(done))))
    flags = ["--config=configs/vae.py", "--over=latent_dim=2,3,4", f"--output={tmp_path}"]
    assert sweep.main(flags) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "failed: latent_dim=3 seed=0: no such folder"
    assert second.startswith("failed: latent_dim=4 seed=0: ")
    assert "2000 epochs" in second
    assert reported == [(3, 1)]


def test_images_of_a_sweep_are_reconstructions_of_the_same_images(runs, make_config):
    """Another split seed gives other test images, with the same number and size."""
    points = parse_over("split_seed=0,1")
    same, other = (Planned(points[0], 0, make_config(split_seed=seed), runs["vae"]) for seed in (0, 1))
    assert not isinstance(report.fig_images([same, same], last=False), str)
    assert "same test images" in report.fig_images([same, other], last=False)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config=configs/vae.py"], ["--over"]),
        (["--config=configs/vae.py", "--over=latnet_dim=2"], ["did you mean latent_dim?"]),
        (["--config=configs/vae.py", "--over=latent_dim=0"], ["latent_dim=0", "at least 1"]),
        (["--config=configs/vae.py", "--over=num_epochs=2,3"], ["same run"]),
        (["--config=configs/vae.py", "--over=seed:latent_dim=1:2,2:5"], ["seed", "--seeds=0,1,2"]),
        (["--config=configs/vae.py", "--over=beta=1", "--config.seed=4"], ["--config.seed=4", "--seeds sets"]),
        (["--config=configs/vae.py", "--over=beta=1", "--config.beta=4"], ["--config.beta=4", "--over sets"]),
        (["--config=configs/vae.py", "--over=beta=1", "--sead=1"], ["--sead=1"]),
        (["--config=configs/vae.py", "--over=beta=1", "--seeds=0,0"], ["a seed occurs twice"]),
        (["--config=configs/vae.py", "--over=beta=1,2", "--population=maybe"], ["--population", "auto"]),
        (
            ["--config=configs/vae.py", "--over=hidden_dims=8,16", "--population=on"],
            ["--population=on", "hidden_dims=(8,),(16,)", "seed"],
        ),
        (["--config=nowhere.py", "--over=beta=1"], ["nowhere.py", "no such file"]),
        (["--config=vea", "--over=beta=1"], ["--config=vea: no such config; choices: vae, "]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(sweep.main, [*flags, "--output=EMPTY"])
    assert all(word in error for word in words), error


@pytest.mark.parametrize(("flags", "every"), [([], 0), (["--config.log.latent_every_steps=5"], 5)])
def test_a_sweep_records_films_only_if_asked(tmp_path, monkeypatch, flags, every):
    """The config records one; runs with a film cannot be trained as one program."""
    monkeypatch.chdir(ROOT)
    planned = []

    def fail(runs, *_):
        planned.extend(runs)
        yield from enumerate([ValueError("planted")] * len(runs))

    monkeypatch.setattr(local, "train_runs", fail)
    assert sweep.main(["--config=configs/vae.py", "--over=beta=1,2", f"--output={tmp_path}", *flags]) == 1
    assert [run.config.log.latent_every_steps for run in planned] == [every, every]


def test_the_time_of_a_run_does_not_include_the_runs_before_it(make_config, tmp_path, monkeypatch):
    console, seconds = Console(io.StringIO()), []
    monkeypatch.setattr(console, "_opened", console._opened - 1000)

    def attempt(group, console, _):
        seconds.append(console.seconds)
        return [ValueError("planted")]

    monkeypatch.setattr(scheduling, "_attempt", attempt)
    run = Planned((("beta", "1"),), 0, make_config(), tmp_path)
    assert len(list(scheduling.train_runs([run], [[0]], console, ""))) == 1
    assert seconds[0] < 100
