"""The table of a checkpoint, and the files that are written at the end of training."""

import json

import pytest

from vae_jax.commands import evaluate
from vae_jax.runs.loading import load_run
from vae_jax.training import measure


@pytest.mark.slow
def test_training_draws_the_quick_figures_at_the_end(make_runs):
    runs = make_runs()
    names = {name: {path.stem for path in (runs[name] / "figures").iterdir()} for name in runs}
    assert names["ae"] == {"curves", "reconstructions", "errors", "latent_scatter"}
    assert names["vae"] == names["ae"] | {"samples", "manifold", "traversal", "kl_per_dimension", "animation"}


def test_evaluate_prints_and_stores_the_same_numbers_as_training(runs, call):
    done = call("evaluate", f"--workdir={runs['vae']}")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"elbo", "reconstruction", "kl", "mse"} <= {line.split()[0] for line in done.stdout.splitlines() if line}
    found = json.loads((runs["vae"] / "evaluation_best.json").read_text())
    results = json.loads((runs["vae"] / "results.json").read_text())
    assert {key: found[key] for key in found if "/" in key} == {key: results[key] for key in results if "/" in key}
    assert found["step"] == load_run(runs["vae"]).step
    assert "\naggregate posterior to prior: KL " in done.stdout
    assert found["aggregate_posterior"]["num_images"] == found["num_images"]["test"]
    assert "aggregate_posterior" not in results, "it takes seconds, which no run waits for at its end"


def test_training_stores_a_summary_of_the_latent_space(runs):
    results = json.loads((runs["vae"] / "results.json").read_text())
    assert sum(results["latents"]["kl_per_dimension"]) == pytest.approx(results["test/kl"], rel=1e-5)
    assert results["latents"]["active_units"]["0.01"] == results["test/active_units"]
    assert len(results["latents"]["aggregate_variance"]) == 2
    gap = results["train/elbo"] - results["test/elbo"]
    assert results["elbo_train_minus_test"] == pytest.approx(gap, rel=1e-5)
    assert "latents" not in json.loads((runs["ae"] / "results.json").read_text())


def test_the_last_checkpoint_is_evaluated_once_and_only_if_it_is_not_the_best(runs, monkeypatch):
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


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--workdir", "required"]),
        (["--workdir=nowhere"], ["--workdir=nowhere", "no such folder"]),
        (["--workdir=EMPTY"], ["not a run"]),
        (["--workdir=VAE", "--which=worst"], ["worst", "best", "latest"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(evaluate.main, flags)
    assert all(word in error for word in words), error
