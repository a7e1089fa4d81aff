"""The health report of a run."""

import json
import re

import pytest

from vae_jax.commands import health
from vae_jax.runs.loading import load_run
from vae_jax.train import train_and_evaluate


@pytest.mark.slow
def test_health_prints_a_line_per_check_and_stores_the_numbers(runs, capsys):
    health.main([f"--workdir={runs['vae']}", "--num_images=200", "--num_refined=50", "--steps=20", "--temperatures=5"])
    out = capsys.readouterr().out
    found = json.loads((runs["vae"] / "health.json").read_text())
    for name in ("active units", "mutual information", "codes against draws", "amortisation gap", "10 neighbours"):
        (line,) = [line for line in out.splitlines() if line.startswith(name)]
        assert found[name]["text"] == line
    assert "grey pixels, bernoulli" in out.splitlines()[0]
    assert "not an nll" in out.splitlines()[1]
    assert re.fullmatch(r"this takes about (\d+ min )?\d+ s", out.splitlines()[2])
    assert "\r" not in out  # no bar outside of a terminal
    assert {"grey_iwae_500", "grey_ais_5"} <= found["approximation gap"]["bounds"].keys()
    assert (found["pixels"], found["steps"], found["temperatures"]) == ("grey", 20, 5)
    (line,) = [line for line in out.splitlines() if line.startswith("verdict: ")]
    assert line.startswith(f"verdict: {found['verdict']['verdict']}")
    assert found["step"] == load_run(runs["vae"]).step


COLLAPSE = {
    **{"model": "quantized", "hidden_dims": (64,), "latent_dim": 8, "batch_size": 128, "num_epochs": 40},
    **{"vq__codes": 256, "vq__commitment": 0.001, "learning_rate": 0.01, "val_fraction": 0.1, "eval__every_epochs": 40},
}
"""A rate ten times the usual one, and a commitment too weak to hold the encoder's vectors near the codebook's first codes."""


@pytest.mark.slow
def test_a_collapse_on_purpose_is_seen_and_is_undone_by_the_splitting_of_dead_codes(make_config, tmp_path, capsys):
    used, texts = {}, {}
    for share in (0.0, 0.2):
        folder = tmp_path / str(share)
        train_and_evaluate(make_config(**COLLAPSE, vq__dead_below=share, log__tensorboard=False), folder)
        capsys.readouterr()
        health.main([f"--workdir={folder}", "--which=latest"])
        texts[share] = capsys.readouterr().out.splitlines()[-3]
        counts = json.loads((folder / "health.json").read_text())["codes used"]
        used[share] = counts["codes_used"], counts["code_perplexity"]
    assert used[0.0][0] < 100  # measured on seeds 0 and 1: 39 and 50 of 256
    assert used[0.2][0] > 230  # 251 and 248
    assert used[0.2][1] > 3 * used[0.0][1]
    dead = f"collapsed: {256 - used[0.0][0]} codes are dead: no test image uses them"
    assert texts[0.0].startswith(f"verdict: {dead}; try vq.dead_below=0.03 or more (splits codes in use), a smaller")
    assert "a larger vq.commitment" in texts[0.0]
    assert texts[0.2].startswith("verdict: healthy")
    pages = {share: (tmp_path / str(share) / "report.html").read_text() for share in used}
    assert f"Most codes of this model are dead: {256 - used[0.0][0]} of 256" in pages[0.0]
    assert f"{dead}; try vq.dead_below=0.03" in re.sub(r"</?strong>", "", pages[0.0])
    assert "are dead" not in pages[0.2]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=AE"], ["model=ae", "no prior", "vae"]),
        (["--workdir=VAE", "--num_images=0"], ["--num_images", "at least 1"]),
        (["--workdir=VAE", "--num_refined=10"], ["num_refined=10", "at least 50"]),
        (["--workdir=nowhere"], ["--workdir=nowhere", "no such folder"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(health.main, flags)
    assert all(word in error for word in words), error
