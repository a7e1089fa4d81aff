"""What the benchmark scripts do besides measuring: what is kept, and which rounds count."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import record, startup, train_speed


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    return tmp_path


def test_a_result_is_kept_printed_and_rendered_with_its_command(folder, capsys):
    record.save("b", "python -m b", "Second", ["what", "s"], [["x", 1.5]], ["A note."])
    record.save("a", "python -m a --n=1", "First", ["what", "s"], [["y", 2.5]])
    assert "Second" in capsys.readouterr().out
    facts = json.loads((folder / "results" / "b.json").read_text())
    assert facts["rows"] == [["x", 1.5]]
    assert facts["versions"]["jax"]
    page = (folder / "README.md").read_text()
    assert page.index("## First") < page.index("`python -m a --n=1`") < page.index("## Second")
    assert "| what | s |\n| --- | --- |\n| x | 1.5 |\n\nA note.\n" in page


def test_a_kept_command_names_no_place_of_one_machine():
    argv = ["--data_dir=/home/me/mnist", "--rounds=3"]
    assert record.command("train_speed", argv) == "python -m experiments.benchmarks.train_speed --rounds=3"


@pytest.mark.parametrize(("busy_rounds", "kept"), [({1, 4}, 4), ({0, 1, 2, 3}, 6)])
def test_rounds_in_which_others_were_busy_are_dropped_while_enough_are_left(monkeypatch, busy_rounds, kept):
    calls = iter(range(100))

    def others_seconds():
        call = next(calls)
        return sum(1e3 for i in busy_rounds if i < (call + 1) // 2)

    monkeypatch.setattr(record, "others_seconds", others_seconds)
    seconds, dropped = train_speed.interleave({"ours": lambda: None, "other": lambda: None}, 6)
    assert len(seconds["ours"]) == len(seconds["other"]) == kept
    assert dropped == 6 - kept


def test_a_ratio_is_the_median_of_ratios_within_rounds():
    seconds = {"ours": np.array([1.0, 20.0, 3.0]), "torch": np.array([2.0, 40.0, 3.0])}
    assert train_speed.ratio(seconds, "torch").startswith("0.50 ")
    assert train_speed.ratio(seconds, "products") == ""


def test_the_loop_that_is_timed_is_that_of_a_run(make_config, tmp_path):
    bench = train_speed.Bench(make_config(), tmp_path)
    bench.epoch()
    bench.epoch()
    assert bench.progress.step == 2 * len(bench.order()) == 40
    assert bench.progress.sums == {}
    train_speed.make_products(make_config(), 64, 3)()


def test_the_torch_loops_train_each_family(make_config):
    torch_loops = pytest.importorskip("experiments.benchmarks.torch_loops", reason="torch is not installed")
    images = np.zeros((64, 28, 28, 1), np.uint8)
    for changes in ({}, {"network": "conv", "normalization": "group", "likelihood": "gaussian"}, {"model": "ae"}):
        loss = torch_loops.make_epoch(make_config(**changes), images)(np.arange(64, dtype=np.int32).reshape(2, 32))
        assert np.isfinite(loss)


@pytest.mark.slow
def test_the_code_whose_start_is_timed_runs():
    with tempfile.TemporaryDirectory() as cache:
        assert startup.seconds(startup.FIRST_STEP, Path(cache)) > 0
    done = subprocess.run([sys.executable, "-c", startup.IMPORTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
