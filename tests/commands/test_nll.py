"""The estimate of log p(x): printed, stored, stopped and resumed."""

import json
import math
import os
import signal

import numpy as np
import pytest

from vae_jax.commands import nll
from vae_jax.errors import InputError
from vae_jax.evaluation.nll import read, record
from vae_jax.system.command import run_command
from vae_jax.system.console import Console


def test_nll_prints_and_stores_the_bound_under_the_right_name(runs, call):
    done = call("nll", f"--workdir={runs['vae']}", "--samples=10", "--images=50", "--split=val")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    (row,) = [words for words in lines if words[:1] == ["val/grey_iwae_10"] and len(words) == 4]
    found = json.loads((runs["vae"] / "nll_val.json").read_text())
    assert row[1] == f"{found['val/grey_iwae_10']:.2f}"
    assert "not an nll" in found["caveat"]
    assert found["caveat"] in done.stdout
    assert not {"val/nll", "val/iwae_10", "val/bits_per_dim"} & set(found)
    stored = read(runs["vae"] / "nll_val.npz")
    assert stored is not None
    assert stored.estimates.log_p.mean() == found["val/grey_iwae_10"]
    assert found["curve"] == pytest.approx(
        {"1": stored.estimates.curve[:, 0].mean(), "10": stored.estimates.log_p.mean()}
    )
    assert not any(character in done.stdout for character in "\r\x1b")  # no progress bar without a terminal


@pytest.mark.slow
def test_annealing_has_a_separate_file_and_is_printed_as_a_lower_bound(runs, capsys):
    nll.main([f"--workdir={runs['vae']}", "--method=ais", "--temperatures=3", "--samples=2", "--images=20"])
    found = json.loads((runs["vae"] / "nll_ais.json").read_text())
    assert (found["temperatures"], found["samples"], found["num_images"]) == (3, 2, 20)
    assert math.isfinite(found["test/grey_ais_3"])
    assert "a lower bound on average" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"--temperatures=3: --method=importance has none; choices: --method=ais"):
        nll.main([f"--workdir={runs['vae']}", "--temperatures=3"])


@pytest.mark.slow
def test_a_stopped_nll_resumes_with_the_same_bits_for_any_piece_size(runs, monkeypatch, capsys):
    folder, flags = runs["vae"], [f"--workdir={runs['vae']}", "--samples=20", "--images=100"]
    monkeypatch.setitem(record.PIECES, "importance", 40)
    nll.main([*flags, "--which=latest"])
    capsys.readouterr()
    counted, count = [], Console.count

    def interrupted(console: Console, number: int) -> None:
        count(console, number)
        counted.append(number)
        if sum(counted) == 80:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Console, "count", interrupted)
        assert run_command(lambda: nll.main(flags)) == 130
    assert capsys.readouterr().out == "stopped; the same command resumes\n"
    partial = read(folder / "nll.partial.npz")
    assert partial is not None
    assert partial.done == 40
    nll.main(flags)
    assert "resumed after 40 of 100 images" in capsys.readouterr().out
    whole, continued = read(folder / "nll_latest.npz"), read(folder / "nll.npz")
    assert whole is not None
    assert continued is not None
    for one, other in zip(whole.estimates, continued.estimates, strict=True):
        np.testing.assert_array_equal(one, other)
    (folder / "nll.npz").unlink()
    monkeypatch.setitem(record.PIECES, "importance", 256)
    nll.main(flags)
    at_once = read(folder / "nll.npz")
    assert at_once is not None
    np.testing.assert_allclose(at_once.estimates.log_p, whole.estimates.log_p, rtol=1e-5)
    nll.main([*flags, f"--against={folder}"])
    assert "on the same 100 images: +0.00 ± 0.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=AE"], ["model=ae", "no prior", "log p(x)", "vae"]),
        (["--workdir=BARE"], ["no checkpoint yet"]),
        (["--workdir=EMPTY"], ["not a run"]),
        (["--workdir=VAE", "--samples=0"], ["--samples", "0 is not", "at least 1"]),
        (["--workdir=VAE", "--images=360"], ["--images=360", "test split", "359"]),
        (["--workdir=VAE", "--split=tset"], ["--split", "tset", "val", "train"]),
        (["--workdir=VAE", "--seed=-1"], ["--seed", "-1"]),
        (["--workdir=VAE", "--against=EMPTY"], ["--against", "nll.npz", "missing"]),
        (["--workdir=VAE", "--against=nowhere"], ["--against=nowhere: no such folder"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(nll.main, flags)
    assert all(word in error for word in words), error
