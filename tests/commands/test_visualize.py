"""Figures on request."""

import json
import os

import numpy as np
import pytest

from vae_jax.artifacts import draw, figures
from vae_jax.commands import visualize
from vae_jax.runs.latent_frames import load_frames
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate

TINY = {"log__tensorboard": False, "checkpoint__every_epochs": 1, "latent_dim": 2, "log__latent_every_steps": 8}


@pytest.mark.slow
def test_visualize_draws_on_request(runs, run, tmp_path):
    flags = (f"--workdir={runs['vae']}", "--only=walk,qq,tsne", "--images=3,5", "--points=50", f"--output={tmp_path}")
    done = run("experiments.visualize", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"walk.png", "qq.png", "tsne.png"}
    assert "t-SNE: iteration   50 of 1000" in done.stdout


def test_kl_per_dimension_sums_to_the_kl_metric(runs):
    import vae_jax.data

    loaded = load_run(runs["vae"])
    source = draw.make_source(loaded, vae_jax.data.load(loaded.config), runs["vae"])
    found = next(draw.draw_figures(source, {"kl": lambda kl_per_dimension, active: (kl_per_dimension, active)})).figure
    results = json.loads((runs["vae"] / "results.json").read_text())
    np.testing.assert_allclose(found[0].sum(), results["test/kl"], rtol=1e-5)
    assert found[1].sum() == results["test/active_units"]


@pytest.mark.slow
def test_a_run_with_latent_frames_that_was_stopped_and_resumed_is_the_same_run(
    runs, make_config, tmp_path, monkeypatch
):
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset())
    with open(os.devnull, "w") as nowhere:
        for epochs in (1, 2):
            config = make_config(**TINY | {"num_epochs": epochs})
            train_and_evaluate(config, tmp_path, Console(nowhere))
    films = [load_frames(workdir, 359) for workdir in (runs["vae"], tmp_path)]
    assert films[0] is not None
    assert films[1] is not None
    assert films[0][0] == films[1][0] == [0, 8, 16, 24, 32, 40]
    np.testing.assert_array_equal(films[0][1], films[1][1])
    results = [json.loads((workdir / "results.json").read_text()) for workdir in (runs["vae"], tmp_path)]
    assert results[0]["test/elbo"] == results[1]["test/elbo"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=BARE"], ["no checkpoint yet"]),
        (["--workdir=VAE", "--only=wakl"], ["did you mean walk?", "choices: curves"]),
        (["--workdir=AE", "--only=samples"], ["samples", "prior"]),
        (["--workdir=VAE", "--only=components"], ["components", "prior=mixture or prior=vamp"]),
        (["--workdir=AE", "--only=manifold"], ["manifold", "prior", "latent_dim=2"]),
        (["--workdir=AE", "--only=animation"], ["log.latent_every_steps"]),
        (["--workdir=VAE", "--only=walk", "--numbers=3,70"], ["--numbers: 70: no such class", "0, 1, 2, 3"]),
        (["--workdir=VAE", "--only=walk", "--images=0,359"], ["--images=0,359", "0 to 358"]),
        (["--workdir=VAE", "--numbers=3"], ["--numbers"]),
        (["--workdir=VAE", "--points=0"], ["--points", "at least 1"]),
        (["--workdir=VAE", "--bogus=1"], ["--bogus=1"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(visualize.main, flags)
    assert all(word in error for word in words), error


def test_a_figure_that_fails_is_one_line_and_the_others_are_drawn(runs, tmp_path, monkeypatch, capsys):
    def broken(history):
        raise ZeroDivisionError("no such\nfigure")

    chosen = {"curves": broken, "reconstructions": figures.FIGURES["reconstructions"]}
    monkeypatch.setattr(figures, "FIGURES", chosen)
    assert visualize.main([f"--workdir={runs['vae']}", f"--output={tmp_path}"]) == 1
    *drawn, line = capsys.readouterr().out.splitlines()
    left_out = tmp_path / "left_out.txt"
    assert line == f"left out: curves: ZeroDivisionError: no such figure; the traceback is in {left_out}"
    assert drawn == [str(tmp_path / "reconstructions.png")]
    assert "in broken" in left_out.read_text()
