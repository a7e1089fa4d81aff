"""Every script end to end as a subprocess on tiny runs, and what each says to bad input."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import small_config
from PIL import Image
from support.paths import ROOT

from experiments import evaluate, health, nll, sample, sweep, visualize
from vae_jax.artifacts import draw
from vae_jax.errors import InputError
from vae_jax.evaluation.nll import read, record
from vae_jax.runs.latent_frames import load_frames
from vae_jax.runs.run import load_run
from vae_jax.sweeps import Planned, Row, parse_over
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate
from vae_jax.training import measure

TINY = {"log__tensorboard": False, "num_epochs": 2, "checkpoint__every_epochs": 1}


def run(module: str, *flags: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """A VAE with two latent dimensions, filmed, and an autoencoder."""
    root = tmp_path_factory.mktemp("runs")
    configs = {
        "vae": small_config(**TINY, latent_dim=2, log__latent_every_steps=8),
        "ae": small_config(**TINY, model="ae", objective="reconstruction", likelihood="gaussian"),
    }
    with open(os.devnull, "w") as nowhere:
        for name, config in configs.items():
            train_and_evaluate(config, root / name, Console(nowhere))
    return {name: root / name for name in configs}


def test_the_end_of_a_training_draws_the_quick_figures(runs):
    names = {name: {path.stem for path in (runs[name] / "figures").iterdir()} for name in runs}
    assert names["ae"] == {"curves", "reconstructions", "latent_scatter"}
    assert names["vae"] == names["ae"] | {"samples", "manifold", "traversal", "kl_per_dimension", "animation"}


def test_evaluate_prints_and_stores_the_numbers_of_the_training(runs):
    done = run("experiments.evaluate", f"--workdir={runs['vae']}")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"elbo", "reconstruction", "kl", "mse"} <= {line.split()[0] for line in done.stdout.splitlines() if line}
    found = json.loads((runs["vae"] / "evaluation_best.json").read_text())
    results = json.loads((runs["vae"] / "results.json").read_text())
    assert {key: found[key] for key in found if "/" in key} == {key: results[key] for key in results if "/" in key}
    assert found["step"] == load_run(runs["vae"]).step


def test_nll_prints_and_stores_a_bound_that_is_called_what_it_is(runs):
    done = run("experiments.nll", f"--workdir={runs['vae']}", "--samples=10", "--images=50", "--split=val")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    (row,) = [words for words in lines if words[:1] == ["val/grey_iwae_10"] and len(words) == 4]
    found = json.loads((runs["vae"] / "nll_val.json").read_text())
    assert row[1] == f"{found['val/grey_iwae_10']:.2f}"
    assert "no nll" in found["caveat"]
    assert found["caveat"] in done.stdout
    assert not {"val/nll", "val/iwae_10", "val/bits_per_dim"} & set(found)
    stored = read(runs["vae"] / "nll_val.npz")
    assert stored is not None
    assert stored.found.log_p.mean() == found["val/grey_iwae_10"]
    assert found["curve"] == pytest.approx({"1": stored.found.curve[:, 0].mean(), "10": stored.found.log_p.mean()})
    assert not any(character in done.stdout for character in "\r\x1b")  # no bar where no terminal is


@pytest.mark.slow
def test_annealing_has_a_record_of_its_own_and_says_what_it_is(runs, capsys):
    nll.main([f"--workdir={runs['vae']}", "--method=ais", "--temperatures=3", "--samples=2", "--images=20"])
    found = json.loads((runs["vae"] / "nll_ais.json").read_text())
    assert (found["temperatures"], found["samples"], found["num_images"]) == (3, 2, 20)
    assert math.isfinite(found["test/grey_ais_3"])
    assert "a lower bound on average" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"--temperatures=3: --method=importance has none; choices: --method=ais"):
        nll.main([f"--workdir={runs['vae']}", "--temperatures=3"])


@pytest.mark.slow
def test_a_stopped_nll_goes_on_with_the_same_bits_and_pieces_change_none_that_matter(runs, monkeypatch, capsys):
    folder, flags = runs["vae"], [f"--workdir={runs['vae']}", "--samples=20", "--images=100"]
    monkeypatch.setitem(record.PIECES, "importance", 40)
    nll.main([*flags, "--which=latest"])
    capsys.readouterr()
    told, count = [], Console.count

    def interrupted(console: Console, number: int) -> None:
        count(console, number)
        told.append(number)
        if sum(told) == 80:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Console, "count", interrupted)
        assert run_command(lambda: nll.main(flags)) == 130
    assert capsys.readouterr().out == "stopped; the same command goes on\n"
    partial = read(folder / "nll.partial.npz")
    assert partial is not None
    assert partial.done == 40
    nll.main(flags)
    assert "goes on after 40 of 100 images" in capsys.readouterr().out
    whole, continued = read(folder / "nll_latest.npz"), read(folder / "nll.npz")
    assert whole is not None
    assert continued is not None
    for one, other in zip(whole.found, continued.found, strict=True):
        np.testing.assert_array_equal(one, other)
    (folder / "nll.npz").unlink()
    monkeypatch.setitem(record.PIECES, "importance", 256)
    nll.main(flags)
    at_once = read(folder / "nll.npz")
    assert at_once is not None
    np.testing.assert_allclose(at_once.found.log_p, whole.found.log_p, rtol=1e-5)
    nll.main([*flags, f"--against={folder}"])
    assert "on the same 100 images: +0.00 ± 0.0" in capsys.readouterr().out


def test_the_end_of_a_training_tells_of_its_latent_space(runs):
    results = json.loads((runs["vae"] / "results.json").read_text())
    assert sum(results["latents"]["kl_per_dimension"]) == pytest.approx(results["test/kl"], rel=1e-5)
    assert results["latents"]["active_units"]["0.01"] == results["test/active_units"]
    assert len(results["latents"]["aggregate_variance"]) == 2
    gap = results["train/elbo"] - results["test/elbo"]
    assert results["elbo_train_minus_test"] == pytest.approx(gap, rel=1e-5)
    assert "latents" not in json.loads((runs["ae"] / "results.json").read_text())


@pytest.mark.slow
def test_health_prints_a_line_for_each_thing_and_stores_the_numbers(runs, capsys):
    health.main([f"--workdir={runs['vae']}", "--num_images=200", "--num_refined=50", "--steps=20", "--temperatures=5"])
    out = capsys.readouterr().out
    found = json.loads((runs["vae"] / "health.json").read_text())
    for name in ("active units", "mutual information", "codes against draws", "amortisation gap", "10 neighbours"):
        (line,) = [line for line in out.splitlines() if line.startswith(name)]
        assert found[name]["text"] == line
    assert "grey pixels, bernoulli" in out.splitlines()[0]
    assert "no nll" in out.splitlines()[1]
    assert {"grey_iwae_500", "grey_ais_5"} <= found["approximation gap"]["bounds"].keys()
    assert (found["pixels"], found["steps"], found["temperatures"]) == ("grey", 20, 5)
    (line,) = [line for line in out.splitlines() if line.startswith("verdict: ")]
    assert line.startswith(f"verdict: {found['verdict']['verdict']}")
    assert found["step"] == load_run(runs["vae"]).step


@pytest.mark.slow
def test_visualize_draws_on_request(runs, tmp_path):
    flags = (f"--workdir={runs['vae']}", "--only=walk,qq,tsne", "--images=3,5", "--points=50", f"--output={tmp_path}")
    done = run("experiments.visualize", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"walk.png", "qq.png", "tsne.png"}
    assert "t-SNE: iteration   50 of 1000" in done.stdout


def test_sample_writes_images_and_a_grid(runs, tmp_path):
    done = run("experiments.sample", f"--workdir={runs['vae']}", "--num=5", f"--output={tmp_path / 'new'}", "--seed=3")
    assert (done.returncode, done.stderr) == (0, "")
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["grid.png", *(f"sample_{i:04}.png" for i in range(5))]
    pixels = np.asarray(Image.open(tmp_path / "new" / "sample_0004.png")) / 255
    np.testing.assert_allclose(pixels, load_run(runs["vae"]).sample(5, 3)[4, ..., 0], atol=0.5 / 255 + 1e-6)


@pytest.mark.slow
def test_a_sweep_trains_reports_what_fails_and_repeats_nothing(tmp_path, capsys):
    flags = ["--config=configs/vae.py", "--over=batch_size=64,100000", "--seeds=0,1", f"--output={tmp_path}"]
    flags += ["--config.hidden_dims=16", "--config.num_epochs=1", "--config.log.tensorboard=false"]
    done = run("experiments.sweep", *flags)
    assert done.returncode == 0
    assert "failed: batch_size=100000 seed=1" in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = tmp_path.glob("sweep-*")
    assert {path.name for path in folder.iterdir()} == {"sweep.csv", "sweep.png", "images.png", "compare.html"}
    lines = (folder / "sweep.csv").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("64,2,")
    (found,) = [line for line in done.stdout.splitlines() if line.startswith("batch_size=64")]
    assert "±" in found

    os.chdir(ROOT)
    assert sweep.run(flags) == 0
    assert capsys.readouterr().out.count("complete: 1 epochs") == 2
    (folder / "sweep.csv").unlink()
    assert sweep.run([*flags[:1], "--over=batch_size=100000", *flags[2:]]) == 1


@pytest.mark.slow
def test_a_sweep_of_beta_tells_of_last_checkpoints_and_draws_rate_against_distortion(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    flags = ["--config=configs/vae.py", "--over=beta=0.1,4", f"--output={tmp_path}", "--config.hidden_dims=16"]
    flags += ["--config.num_epochs=2", "--config.checkpoint.every_epochs=1", "--config.log.tensorboard=false"]
    drawn = []

    def load(workdir, which):
        drawn.append(which)
        return load_run(workdir, which)

    monkeypatch.setattr(sweep, "load_run", load)
    assert sweep.run(flags) == 0
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


def test_images_of_a_sweep_are_reconstructions_of_the_same_images(runs):
    """Seeds of the split give the digits other test images, as many and of the same size."""
    points = parse_over("split_seed=0,1")
    rows = [Row(point, 1, "", {}, {}) for point in points]
    same, other = (Planned(points[0], 0, small_config(split_seed=seed), runs["vae"]) for seed in (0, 1))
    assert sweep.show_images(rows, [same, same], last=False) is not None
    assert sweep.show_images(rows, [same, other], last=False) is None


def test_the_last_checkpoint_is_evaluated_once_and_only_where_it_is_not_the_best(runs, monkeypatch):
    concluded = json.loads((runs["vae"] / "results.json").read_text())
    same = concluded | {"best_epoch": concluded["epochs"]}
    assert measure.at_latest(runs["vae"], same) == same | {"which": "latest"}
    earlier = concluded | {"best_epoch": 1.0, "test/elbo": 0.0}
    (runs["vae"] / "evaluation_latest.json").write_text(
        json.dumps(same | {"step": 1, "test/elbo": -1.0})
    )  # of a shorter run
    found = measure.at_latest(runs["vae"], earlier)
    stored = json.loads((runs["vae"] / "evaluation_latest.json").read_text())
    assert found["which"] == stored["which"] == "latest"
    assert found["test/elbo"] == stored["test/elbo"] < -1
    assert stored["step"] == concluded["step"]
    monkeypatch.setattr(measure, "evaluate_run", None)
    assert measure.at_latest(runs["vae"], earlier)["test/elbo"] == stored["test/elbo"]


def test_kl_per_dimension_sums_to_the_kl_metric(runs):
    import vae_jax.data

    loaded = load_run(runs["vae"])
    source = draw.make_source(loaded, vae_jax.data.load(loaded.config), runs["vae"])
    (drawn,) = draw.draw_figures(source, {"kl": lambda kl_per_dimension, active: (kl_per_dimension, active)})
    found = drawn.figure
    results = json.loads((runs["vae"] / "results.json").read_text())
    np.testing.assert_allclose(found[0].sum(), results["test/kl"], rtol=1e-5)
    assert found[1].sum() == results["test/active_units"]


def test_sampled_latents_are_spread_by_the_posterior(runs):
    loaded = load_run(runs["vae"])
    x = np.zeros((2000, 8, 8, 1), np.uint8)
    posterior, z = loaded.encode(x[:1]), loaded.sample_posterior(x)
    assert z.shape == (2000, 2)
    np.testing.assert_allclose(z.std(axis=0), np.exp(posterior.logvar[0] / 2), rtol=0.1)
    np.testing.assert_allclose(z.mean(axis=0), posterior.mean[0], atol=0.1)


@pytest.mark.slow
def test_a_filmed_run_that_was_stopped_and_continued_is_the_same_run(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())
    with open(os.devnull, "w") as nowhere:
        for epochs in (1, 2):
            config = small_config(**TINY | {"num_epochs": epochs}, latent_dim=2, log__latent_every_steps=8)
            train_and_evaluate(config, tmp_path, Console(nowhere))
    films = [load_frames(workdir, 359) for workdir in (runs["vae"], tmp_path)]
    assert films[0] is not None
    assert films[1] is not None
    assert films[0][0] == films[1][0] == [0, 8, 16, 24, 32, 40]
    np.testing.assert_array_equal(films[0][1], films[1][1])
    results = [json.loads((workdir / "results.json").read_text()) for workdir in (runs["vae"], tmp_path)]
    assert results[0]["test/elbo"] == results[1]["test/elbo"]


@pytest.mark.parametrize(
    ("script", "flags", "words"),
    [
        (evaluate.main, [], ["--workdir", "required"]),
        (evaluate.main, ["--workdir=nowhere"], ["--workdir=nowhere", "no such folder"]),
        (evaluate.main, ["--workdir=EMPTY"], ["not a run"]),
        (evaluate.main, ["--workdir=VAE", "--which=worst"], ["worst", "best", "latest"]),
        (health.main, ["--workdir=AE"], ["model=ae", "no prior", "vae"]),
        (health.main, ["--workdir=VAE", "--num_images=0"], ["--num_images", "at least 1"]),
        (health.main, ["--workdir=VAE", "--num_refined=10"], ["num_refined=10", "at least 50"]),
        (health.main, ["--workdir=nowhere"], ["--workdir=nowhere", "no such folder"]),
        (visualize.main, ["--workdir=BARE"], ["no checkpoint yet"]),
        (visualize.main, ["--workdir=VAE", "--only=wakl"], ["did you mean walk?", "choices: curves"]),
        (visualize.main, ["--workdir=AE", "--only=samples"], ["samples", "prior"]),
        (visualize.main, ["--workdir=AE", "--only=manifold"], ["manifold", "prior", "latent_dim=2"]),
        (visualize.main, ["--workdir=AE", "--only=animation"], ["log.latent_every_steps"]),
        (visualize.main, ["--workdir=VAE", "--only=walk", "--numbers=3,70"], ["--numbers=3,70", "0 to 9"]),
        (visualize.main, ["--workdir=VAE", "--only=walk", "--images=0,359"], ["--images=0,359", "0 to 358"]),
        (visualize.main, ["--workdir=VAE", "--numbers=3"], ["--numbers"]),
        (visualize.main, ["--workdir=VAE", "--points=0"], ["--points", "at least 1"]),
        (visualize.main, ["--workdir=VAE", "--bogus=1"], ["--bogus=1"]),
        (sample.main, ["--workdir=AE", "--output=EMPTY"], ["model=ae", "no prior"]),
        (nll.main, ["--workdir=AE"], ["model=ae", "no prior", "log p(x)", "vae"]),
        (nll.main, ["--workdir=BARE"], ["no checkpoint yet"]),
        (nll.main, ["--workdir=EMPTY"], ["not a run"]),
        (nll.main, ["--workdir=VAE", "--samples=0"], ["--samples", "0 is not", "at least 1"]),
        (nll.main, ["--workdir=VAE", "--images=360"], ["--images=360", "test split", "359"]),
        (nll.main, ["--workdir=VAE", "--split=tset"], ["--split", "tset", "val", "train"]),
        (nll.main, ["--workdir=VAE", "--seed=-1"], ["--seed", "-1"]),
        (nll.main, ["--workdir=VAE", "--against=EMPTY"], ["--against", "nll.npz", "not there"]),
        (sample.main, ["--workdir=VAE", "--output=FILE/x"], ["--output", "cannot be created"]),
        (sample.main, ["--workdir=VAE", "--output=EMPTY", "--num=-1"], ["--num"]),
        (sweep.run, ["--config=configs/vae.py"], ["--over"]),
        (sweep.run, ["--config=configs/vae.py", "--over=latnet_dim=2"], ["did you mean latent_dim?"]),
        (sweep.run, ["--config=configs/vae.py", "--over=latent_dim=0"], ["latent_dim=0", "at least 1"]),
        (sweep.run, ["--config=configs/vae.py", "--over=num_epochs=2,3"], ["same run"]),
        (sweep.run, ["--config=configs/vae.py", "--over=seed:latent_dim=1:2,2:5"], ["seed", "--seeds=0,1,2"]),
        (
            sweep.run,
            ["--config=configs/vae.py", "--over=beta=1", "--config.seed=4"],
            ["--config.seed=4", "--seeds gives"],
        ),
        (
            sweep.run,
            ["--config=configs/vae.py", "--over=beta=1", "--config.beta=4"],
            ["--config.beta=4", "--over gives"],
        ),
        (sweep.run, ["--config=configs/vae.py", "--over=beta=1", "--sead=1"], ["--sead=1"]),
        (sweep.run, ["--config=configs/vae.py", "--over=beta=1", "--seeds=0,0"], ["twice"]),
        (sweep.run, ["--config=configs/vae.py", "--over=beta=1,2", "--population=maybe"], ["--population", "auto"]),
        (
            sweep.run,
            ["--config=configs/vae.py", "--over=hidden_dims=8,16", "--population=on"],
            ["--population=on", "hidden_dims=(8,),(16,)", "seed"],
        ),
        (sweep.run, ["--config=nowhere.py", "--over=beta=1"], ["nowhere.py", "no such file"]),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(runs, tmp_path, capsys, monkeypatch, script, flags, words):
    monkeypatch.chdir(ROOT)
    for name in ("empty", "bare"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "bare" / "config.json").write_text((runs["vae"] / "config.json").read_text())
    places = {"VAE": runs["vae"], "AE": runs["ae"]} | {n.upper(): tmp_path / n for n in ("empty", "bare", "file")}
    for word, path in places.items():
        flags = [f"{flag.partition('=')[0]}={flag.partition('=')[2].replace(word, str(path))}" for flag in flags]
    if script is sweep.run:
        flags = [*flags, f"--output={tmp_path / 'sweep'}"]
    assert run_command(lambda: script(flags)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    for word in words:
        assert word in error


def test_bad_input_of_a_script_is_no_traceback():
    done = run("experiments.sample", "--workdir=nowhere", "--output=x")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
