"""The end of a run: results are written first, and a figure or page that fails is skipped."""

import json

import pytest

from vae_jax import main
from vae_jax.artifacts import figures, report
from vae_jax.train import train_and_evaluate

FLAGS = ["--config.num_epochs=1", "--config.hidden_dims=8", "--config.latent_dim=2", "--config.log.tensorboard=false"]


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text("from vae_jax import config\n\n\ndef get_config():\n    return config.defaults()\n")
    return path


def broken(*given, **named):
    raise ZeroDivisionError("no such figure")


def broken_curves(history):
    del history
    broken()


@pytest.mark.slow
def test_a_failing_figure_and_page_are_reported_in_one_line_each_and_all_else_is_written(
    config_file, tmp_path, monkeypatch, capsys
):
    only = {"curves": broken_curves, "reconstructions": figures.FIGURES["reconstructions"]}
    monkeypatch.setattr(figures, "FIGURES", only)
    monkeypatch.setattr(figures, "QUICK", frozenset(only))
    flags = [f"--config={config_file}", f"--workdir={tmp_path / 'run'}", *FLAGS]
    with monkeypatch.context() as patch:
        patch.setattr(report, "write_report", broken)
        assert main.run(flags) == 1
    out, left_out = capsys.readouterr().out, tmp_path / "run" / "left_out.txt"
    for name in ("curves", "report.html"):
        (line,) = [line for line in out.splitlines() if line.startswith(f"left out: {name}: ")]
        assert line == f"left out: {name}: ZeroDivisionError: no such figure; the traceback is in {left_out}"
    assert left_out.read_text().count("Traceback (most recent call last)") == 2
    assert json.loads((tmp_path / "run" / "results.json").read_text())["epochs"] == 1
    assert (tmp_path / "run" / "figures" / "reconstructions.png").is_file()
    assert not (tmp_path / "run" / "report.html").exists()
    # The same command repeats the end of the run and writes what failed before.
    monkeypatch.setattr(figures, "FIGURES", {"reconstructions": only["reconstructions"]})
    assert main.run(flags) == 0
    assert "left out" not in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").is_file()
    assert not left_out.exists()
    assert main.run(flags) == 0
    assert "complete: 1 epoch," in capsys.readouterr().out


def test_figures_that_cannot_be_started_are_left_out_together(make_config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vae_jax.artifacts.draw.make_source", broken)
    results = train_and_evaluate(make_config(num_epochs=1), tmp_path)
    assert results["left_out"] == ["figures"]
    assert "left out: figures: ZeroDivisionError: no such figure; " in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


def test_the_results_are_written_before_any_figure_is_drawn(make_config, tmp_path, monkeypatch):
    seen = []

    def look(*given):
        seen.append(json.loads((tmp_path / "results.json").read_text()))
        return iter(())

    monkeypatch.setattr("vae_jax.artifacts.draw.write_figures", look)
    results = train_and_evaluate(make_config(num_epochs=1), tmp_path)
    assert seen == [results]


def test_a_figure_that_does_not_apply_to_the_model_is_reported_without_a_failure(
    make_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(figures, "QUICK", frozenset({"samples"}))
    results = train_and_evaluate(
        make_config(num_epochs=1, model="ae", objective="reconstruction", likelihood="gaussian"), tmp_path
    )
    assert "left_out" not in results
    assert "left out: samples: needs a model with a prior" in capsys.readouterr().out
