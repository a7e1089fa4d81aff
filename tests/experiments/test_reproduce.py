"""The rows of the reproduction agree with the paper, and a table keeps earlier measurements."""

import io
import json
from typing import Any

import numpy as np
import pytest

from experiments.benchmarks import record
from experiments.reproduce import factor, iwae, iwae_table
from vae_jax.config import flatten
from vae_jax.errors import InputError
from vae_jax.evaluation import nll
from vae_jax.evaluation.estimators import estimate
from vae_jax.evaluation.nll.record import FINGERPRINT
from vae_jax.runs.loading import load_run
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate


@pytest.mark.parametrize("name", iwae.ROWS)
def test_every_row_is_a_valid_config(name):
    row = iwae.ROWS[name]
    config = iwae.make_config(name, "full", 20, "", 3)
    depth, *kind, samples = name.split("-")
    assert (row.layers, row.num_samples) == (int(depth[0]), int(samples[1:]))
    assert row.elbo_weight == (kind == ["vae"])
    assert config.objective == "importance"
    assert config.val_fraction == 400
    assert (config.num_epochs, config.batch_size, config.seed) == (3280, 20, 3)
    assert (config.importance.num_samples, config.importance.elbo_weight, config.importance.num_groups) == (
        row.num_samples,
        row.elbo_weight,
        1,
    )
    assert (config.hidden_dims, config.activation, config.mlp.kernel_init) == ((200, 200), "tanh", "glorot")
    assert (config.binarize, config.schedule, config.adam_eps) == ("dynamic", "staircase", 5e-6)
    if row.layers == 1:
        assert (config.model, config.latent_dim) == ("vae", 50)
    else:
        assert (config.model, config.latent_dim, config.two_layer.upper_latent_dim) == ("two_layer", 100, 50)
        assert config.two_layer.upper_hidden_dims == (100, 100)


def test_the_schedules_consist_of_whole_stages():
    assert {"full": sum(3**i for i in range(8)), "short": sum(3**i for i in range(5))} == iwae.EPOCHS


def test_a_row_is_replaced_by_the_same_run_and_other_rows_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    columns = ("row", "schedule", "batch", "seed", "here")
    iwae_table.keep("t", "Title", columns, [["b", "short", 100, 0, 1.0], ["a", "full", 20, 0, 2.0]], ["Note."])
    iwae_table.keep("t", "Title", columns, [["b", "short", 100, 0, 3.0], ["b", "short", 100, 1, 4.0]], ["Note."])
    rows = json.loads((tmp_path / "reproduce" / "results" / "t.json").read_text())["rows"]
    assert rows == [["a", "full", 20, 0, 2.0], ["b", "short", 100, 0, 3.0], ["b", "short", 100, 1, 4.0]]
    assert "| b | short | 100 | 0 | 3.0 |" in (tmp_path / "reproduce" / "README.md").read_text()


def test_another_number_of_samples_is_a_trial_that_changes_no_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    iwae_table.keep(
        "t", "Title", ("row", "schedule", "batch", "seed", "here"), [["a", "short", 100, 0, 7.0]], ["Note."], 50
    )
    assert not [*tmp_path.iterdir()]
    out = capsys.readouterr().out
    assert "trial: Title; 50 samples per image" in out
    assert "Note." not in out


def stored(flags, name: str, log_p: float, **changes) -> None:
    """Store the record of a row: images with about this log p(x), each with a few equal weights."""
    workdir = iwae.workdir_of(name, flags)
    workdir.mkdir(parents=True)
    found = estimate(np.tile(np.linspace(-1, 1, 9)[:, None] + log_p, flags.samples))
    facts = dict.fromkeys(FINGERPRINT, 0) | {"method": "importance", "samples": flags.samples} | changes
    path = workdir / nll.file_name(nll.Request(flags.samples, which="latest"))
    arrays: dict[str, Any] = found._asdict() | facts | {"trusted": np.ones(9, bool)}
    np.savez(path, **arrays)


def test_gains_compare_rows_with_the_same_images_and_number_of_samples(tmp_path):
    flags = iwae.parse(["--row=all", "--samples=20", f"--output={tmp_path}"])
    for name, log_p in {"1L-k1": -91.0, "1L-iwae-k5": -89.5, "1L-iwae-k50": -88.5}.items():
        stored(flags, name, log_p)
    stored(flags, "1L-vae-k5", -90.0, images_digest=1)
    stored(flags, "2L-k1", -90.0, samples=50)
    stored(flags, "2L-iwae-k5", -89.0, samples=50)
    assert [[row[0], row[-1]] for row in iwae.pairs_of(flags)] == [
        ["1L-iwae-k5 over 1L-k1", "1.500 ± 0.000"],
        ["1L-iwae-k50 over 1L-iwae-k5", "1.000 ± 0.000"],
    ]


def test_rows_are_in_the_papers_order_regardless_of_when_they_were_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    for name in reversed(iwae.ROWS):
        iwae_table.keep("t", "Title", ("row", "schedule", "batch", "seed"), [[name, "short", 100, 0]], [])
    for name in reversed(iwae.GAINS):
        iwae_table.keep("gains", "Title", ("row", "schedule", "batch", "seed"), [[name, "short", 100, 0]], [])
    for table, order in (("t", iwae.ROWS), ("gains", iwae.GAINS)):
        rows = json.loads((tmp_path / "reproduce" / "results" / f"{table}.json").read_text())["rows"]
        assert [row[0] for row in rows] == [*order]


@pytest.mark.slow
def test_a_row_is_measured_with_the_latest_parameters(make_config, tmp_path, monkeypatch):
    flags, console = iwae.parse(["--row=1L-k1", "--samples=3", f"--output={tmp_path}"]), Console(io.StringIO())
    workdir, asked = iwae.workdir_of("1L-k1", flags), []

    def load(folder, which):
        asked.append(which)
        return load_run(folder, which)

    monkeypatch.setattr(iwae, "load_run", load)
    train_and_evaluate(make_config(binarize="dynamic", num_epochs=1, log__tensorboard=False), workdir, console)
    found = iwae.measure("1L-k1", flags, console)
    assert (asked, found.facts["which"]) == (["latest"], "latest")
    assert (found.done, np.isfinite(found.estimates.log_p).all()) == (359, True)


def test_the_batch_follows_the_schedule_and_an_unknown_row_is_refused():
    assert iwae.parse(["--row=all", "--schedule=full"]).batch_size == 20
    assert iwae.parse(["--row=1L-k1"]).batch_size == 100
    assert iwae.parse(["--row=all"]).rows == [*iwae.ROWS]
    with pytest.raises(InputError, match="--row=1L-k2"):
        iwae.parse(["--row=1L-k2"])


def test_the_factor_study_compares_runs_that_differ_in_gamma_alone():
    first, second = (flatten(factor.make_config(gamma, 2, 7)) for gamma in factor.GAMMAS)
    assert {name for name in first if first[name] != second[name]} == {"factor.gamma"}
    assert (first["objective"], first["latent_dim"], first["seed"], first["num_epochs"]) == ("factor", 10, 2, 7)


def test_the_factor_study_pairs_seeds_and_names_each_seeds_active_units():
    numbers = np.zeros((2, 3, len(factor.COLUMNS)))
    numbers[0, :, 0], numbers[1, :, 0] = [1.0, 2.0, 3.0], [0.5, 1.5, 2.5]
    numbers[:, :, -1] = [[8, 8, 7], [5, 3, 4]]
    rows = factor.rows_of(numbers)
    assert [row[:2] for row in rows] == [["0", "2.00 ± 0.58"], ["10", "1.50 ± 0.58"], ["10 minus 0", "-0.50 ± 0.00"]]
    assert factor.active_note(numbers) == "Active units by seed: gamma = 0: 8, 8, 7; gamma = 10: 5, 3, 4."
