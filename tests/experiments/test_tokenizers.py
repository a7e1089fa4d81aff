"""The study of tokenizers: as many codes in every row, numbers that agree with the runs, and tables made of stored numbers."""

import math

import numpy as np
import pytest

from experiments.benchmarks import record
from experiments.reproduce import tokenizers, tokenizers_tables
from experiments.reproduce.tokenizers_rows import GRID, TABLES
from vae_jax import data
from vae_jax.config import validate
from vae_jax.errors import InputError
from vae_jax.models import make_model
from vae_jax.runs.loading import load_run
from vae_jax.train import train_and_evaluate
from vae_jax.types import Spec

ROWS = [(name, row) for name, table in TABLES.items() for row in table.rows]
SHAPES = {"mnist": (28, 28, 1), "photos": (32, 32, 3)}


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_every_row_has_the_codes_of_its_table(name, row, tmp_path):
    flags = tokenizers.parse([f"--table={name}", f"--photos={tmp_path}"])
    config, table = tokenizers.make_config(flags, name, row), TABLES[name]
    validate(config, {})
    model = make_model(config, Spec(SHAPES[name], num_train=8000))
    assert math.prod(model.grid[:2]) == table.places
    if row == GRID:
        assert not model.num_codes
    else:
        codes_of_a_place = model.grid[2] if len(model.grid) == 3 else 1
        assert model.num_codes**codes_of_a_place == table.codes
        assert model.rate is not None


@pytest.mark.slow
def test_the_nats_saved_are_those_between_the_two_elbos(make_config, tmp_path):
    keys = {"model": "quantized", "vq__codes": 8, "network": "conv", "channels": (4, 8), "num_epochs": 1, "seed": 3}
    train_and_evaluate(make_config(**keys, dataset="digits"), tmp_path / "parent")
    density = {"model": "density", "dataset": "codes", "prior": "pixelcnn", "data_dir": str(tmp_path / "parent")}
    small = {"pixelcnn__features": 8, "pixelcnn__layers": 1, "num_epochs": 2}
    results = train_and_evaluate(make_config(**density, **small), tmp_path / "pair")
    first, pair = load_run(tmp_path / "parent"), load_run(tmp_path / "pair")
    images = data.load(first.config).test.images
    saved = tokenizers.saved_nats(first, pair, images)
    alone = train_and_evaluate(make_config(**keys, dataset="digits"), tmp_path / "parent")
    assert saved.std() > 0
    assert results["test/elbo"] - alone["test/elbo"] == pytest.approx(saved.mean(), abs=1e-3)


NUMBERS = {
    **{"mse_mean": 0.0123, "psnr": 20.5, "ssim": 0.8765, "kl": 66.54, "elbo": -150.0, "codes_used": 60.0},
    **{"code_perplexity": 50.1, "learned_elbo": -130.0, "saved": 20.0, "saved_error": 0.1, "beta": 1.0},
    **{"parameters": 12345, "epochs": 8.0},
}


def test_a_table_is_made_of_the_stored_rows_and_names_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "reproduce").mkdir()
    tokenizers_tables.keep("mnist", "vq", NUMBERS, [120.0, 60.0])
    tokenizers_tables.keep("mnist", "vq", NUMBERS, [1.0, 90.0])  # the first run was there already
    tokenizers_tables.keep(
        "mnist", GRID, NUMBERS | {"codes_used": None, "code_perplexity": None, "beta": 0.5}, [60, 60]
    )
    tokenizers_tables.write("mnist", {})
    page = (tmp_path / "reproduce" / "README.md").read_text()
    assert (
        "| vq | 0.01230 | 20.50 | 0.876 | 60 | 50.1 | 66.5 | -150.0 | 20.00 ± 0.10 | -130.0 | 12,345 | 2.0 | 1.5 |"
        in page
    )
    assert f"| {GRID}, beta 0.5 | 0.01230 | 20.50 | 0.876 |  |  |" in page
    assert "Not finished: fsq [8,8], lfq, 6 bits, residual, 2 x 8." in page
    assert "the nearest to 66.5 nats" in page
    assert capsys.readouterr().out


def test_samples_are_judged_by_the_largest_probability(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "reproduce").mkdir()
    probabilities = np.array([[0.95, 0.05], [0.85, 0.15], [0.05, 0.95], [0.5, 0.5]])
    tokenizers_tables.write_samples({"test images": probabilities}, np.zeros((4, 8, 8, 1), np.float32), ("a", "b"))
    assert "| test images | 4 | 50.0% ± 25.0% | 75.0% | 25.0% |" in (tmp_path / "reproduce" / "README.md").read_text()
    assert (tmp_path / "reproduce" / "results" / "tokenizers_samples.png").is_file()
    assert capsys.readouterr().out


def test_a_row_that_a_table_does_not_have_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^--row=sorcery: .*vq"):
        tokenizers.parse(["--table=mnist", "--row=sorcery"])
