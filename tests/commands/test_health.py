"""The health report of a run."""

import json
import re

import pytest

from vae_jax.commands import health
from vae_jax.runs.loading import load_run


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
