"""A run whose pixels have no means (likelihood=pixelcnn): what it draws in their place, and what it leaves out."""

import json

import numpy as np
import pytest
from support.random_run import random_run

from vae_jax import main
from vae_jax.artifacts import draw
from vae_jax.artifacts.export import FORMATS, notes
from vae_jax.artifacts.report import explorer
from vae_jax.commands import export, nll
from vae_jax.errors import InputError
from vae_jax.evaluation.nll.request import Request, facts_of
from vae_jax.runs.loading import load_run
from vae_jax.types import Dataset, Split

TINY = {"likelihood": "pixelcnn", "pixelcnn__features": 4, "pixelcnn__layers": 1, "levels__number": 3}
SHAPE = (4, 3, 1)


@pytest.fixture(scope="module")
def run():
    return random_run(SHAPE, **TINY)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, *SHAPE)).astype(np.uint8)


def test_decoded_points_are_draws_that_differ_by_z_alone(run):
    z = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    z[3:] = z[:3]
    drawn = run.decode(z)
    np.testing.assert_array_equal(np.unique(drawn), [0, 0.5, 1])
    np.testing.assert_array_equal(drawn[3:], drawn[:3])
    np.testing.assert_array_equal(run.decode(z), drawn)
    assert not np.array_equal(run.decode(z, seed=1), drawn)


def test_reconstructions_are_draws_with_noise_of_their_own(run, images):
    drawn = run.reconstruct(np.repeat(images[:1], 6, axis=0))
    assert len(np.unique(drawn.reshape(6, -1), axis=0)) == 6
    np.testing.assert_array_equal(run.reconstruct(images[:2]), run.reconstruct(images)[:2])
    assert not np.array_equal(run.reconstruct(images, seed=1), run.reconstruct(images))


def test_samples_depend_on_the_seed_and_not_on_their_number(run):
    drawn = run.sample(5, seed=3)
    np.testing.assert_array_equal(run.sample(3, seed=3), drawn[:3])
    assert not np.array_equal(run.sample(5, seed=4), drawn)
    assert len(np.unique(drawn.reshape(5, -1), axis=0)) == 5


def test_a_conditional_run_draws_given_the_class():
    run = random_run(SHAPE, num_classes=2, condition="label", **TINY)
    drawn = run.sample(8, label=1)
    assert drawn.shape == (8, *SHAPE)
    assert not np.array_equal(run.sample(8, label=0), drawn)


def test_no_figure_shows_the_error_of_a_draw(run, images, tmp_path):
    split = Split(images, np.arange(6, dtype=np.int32) % 2)
    source = draw.make_source(run, Dataset(split, split, split, ("a", "b")), tmp_path)
    (errors,) = draw.draw_figures(source, {"errors": lambda errors, error_rows: errors})
    assert errors.lacks == "a likelihood with pixel means (any but pixelcnn), since a draw has no error of its own"
    (drawn,) = draw.draw_figures(source, {"reconstructions": lambda reconstructions, draws_pixels: draws_pixels})
    assert drawn.figure is True


def test_the_page_and_the_exports_say_what_they_leave_out(run, images, tmp_path):
    split = Split(images, np.zeros(6, np.int32))
    reason = "The page cannot run a likelihood=pixelcnn, so nothing is decoded here."
    assert explorer.content(run, Dataset(split, split, split)) == {"reason": reason}
    with pytest.raises(
        InputError, match=r"^likelihood=pixelcnn: has no list of layers for onnx; choices: stablehlo, saf"
    ):
        FORMATS["onnx"](run, tmp_path)
    (line,) = notes(run, "stablehlo")
    assert line.startswith("decode.stablehlo: left out, because likelihood=pixelcnn has no pixel means")
    pytest.importorskip("flatbuffers")
    assert [file.name for file in FORMATS["stablehlo"](run, tmp_path)] == ["encode.stablehlo"]


@pytest.mark.slow
def test_a_run_ends_with_its_numbers_figures_page_nll_and_exports(tmp_path, capsys):
    workdir = tmp_path / "run"
    flags = ["likelihood=pixelcnn", "pixelcnn.features=4", "pixelcnn.layers=1", "hidden_dims=8", "latent_dim=2"]
    flags += ["num_epochs=1", "log.tensorboard=false"]
    command = ["--config=configs/vae.py", f"--workdir={workdir}", *(f"--config.{flag}" for flag in flags)]
    assert main.run(command) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("left out: ")] == [
        "left out: errors: needs a likelihood with pixel means (any but pixelcnn), since a draw has no error of its own"
    ]
    results = json.loads((workdir / "results.json").read_text())
    assert {"test/elbo", "test/kl", "test/bits_per_dim"} <= results.keys()
    assert not {"test/mse", "test/mse_mean", "test/psnr", "test/ssim"} & results.keys()
    assert results["likelihood_params"] == {}
    assert results["health"]["verdict"]["verdict"] == "collapsed"
    assert "The page cannot run a likelihood=pixelcnn" in (workdir / "report.html").read_text()
    nll.main([f"--workdir={workdir}", "--samples=3", "--images=20"])
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("test/kl ")]
    found, run = json.loads((workdir / "nll.json").read_text()), load_run(workdir)
    assert row[1] == f"{found['kl']:.2f}"
    assert found["test/nll"] == -found["test/iwae_3"]
    assert run.spec.levels == 17
    export.main([f"--workdir={workdir}", "--format=stablehlo"])
    assert "decode.stablehlo: left out" in capsys.readouterr().out


def test_the_kl_beside_the_nll_is_that_of_the_same_images(run, images):
    facts = facts_of(run, Request(3), images)
    terms = run.kl_terms(images).sum(axis=1)
    assert facts["kl"] == pytest.approx(terms.mean())
    assert facts["kl_error"] == pytest.approx(terms.std(ddof=1) / np.sqrt(6))
    assert "kl" not in facts_of(random_run(SHAPE), Request(3), images)
