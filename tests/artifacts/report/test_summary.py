"""The first lines of a page: its headline, its banners, its commands, and the codebook of discrete codes."""

import json
import shlex
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest
from support.pairs import pair_of
from support.random_run import random_run

from vae_jax.artifacts.report import codebook, commands, facts, run_page, summary
from vae_jax.artifacts.report.facts import Standing
from vae_jax.config import flatten
from vae_jax.runs import command
from vae_jax.types import Dataset, Split

SHAPE = (3, 2, 1)
DONE, STOPPED = Standing(True, 3.0, "complete"), Standing(False, 2.0, "not complete: 2 of 3 epochs")
DYING = {"maps": [[[1, 2]], [[0, 2]]], "size": 8, "levels": 1, "used": 3, "counts": [9, 9, 2, 0, 0, 0, 0, 0]}
RESULTS = {"test/elbo": -17.314, "test/mse": 0.25, "test/active_units": 3.0}


def drawn(*active, **more):
    return {"reason": "", "dimensions": [{"active": one} for one in active], "finite": True, "alike": False} | more


@pytest.fixture(scope="module")
def vae():
    return random_run(SHAPE, hidden_dims=(5,), latent_dim=3)


@pytest.fixture(scope="module")
def quantized():
    return random_run(
        SHAPE, model="quantized", hidden_dims=(5,), vq__codes=6, vq__width=2, quantized__codes_per_image=3
    )


def test_a_headline_names_the_size_the_bound_and_the_use_of_z(vae):
    line = summary.headline(vae, RESULTS, drawn(True, False, True), None)
    assert line == "3 x 2 · test elbo −17.31 nats · 2 of 3 latent dimensions active"
    assert "not evaluated yet" in summary.headline(vae, {}, drawn(True, False, True), None)
    assert summary.headline(vae, {}, drawn(True), {"used": 5, "size": 6}).endswith("5 of 6 codes used")
    large = {"reason": "too large"}
    assert summary.headline(vae, RESULTS, large, None).endswith("3 of 3 latent dimensions active")
    assert summary.headline(vae, {}, large, None).endswith("· 3 latent dimensions")


def test_an_autoencoder_is_measured_by_its_squared_error():
    run = random_run((3, 2, 3), model="ae", objective="reconstruction", hidden_dims=(5,), latent_dim=4)
    line = summary.headline(run, {"test/mse": 0.0123, "test/loss": -3.0}, drawn(True), None)
    assert line == "3 x 2 colour · test mse 0.01230 per pixel · 4 latent dimensions"


def banners_of(run, stands=DONE, found=RESULTS, content=None, codes=None):
    return summary.banners(run, stands, found, content or drawn(True, True, True), codes)


def test_a_good_model_has_no_banner_and_an_incomplete_run_has_a_note(vae):
    assert banners_of(vae) == []
    assert banners_of(vae, STOPPED) == [{"kind": "note", "text": "Not complete: 2 of 3 epochs."}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"content": drawn(False, False, False)}, "none of its 3 dimensions is active"),
        ({"content": drawn(True, True, True, alike=True)}, "all codes are decoded to the same picture"),
        ({"content": {"reason": "too large"}, "found": {"test/active_units": 0.0}}, "none of its 3 dimensions"),
        ({"codes": {"maps": [[[1, 2]], [[1, 2]]]}}, "all images have the same codes"),
        ({"codes": DYING}, "Most codes of this model are dead: 5 of 8 stand for no place of a test image"),
        ({"content": drawn(True, True, True, finite=False)}, "decoded images are not finite"),
        ({"stands": Standing(False, 0.5, "not complete")}, "not one epoch is complete"),
    ],
)
def test_a_model_that_is_not_what_it_seems_has_a_banner_that_says_so(vae, arguments, words):
    first = banners_of(vae, **arguments)[0]
    assert first["kind"] == "ill"
    assert words in first["text"]


def test_a_model_is_untrained_at_step_0_and_damaged_if_a_parameter_is_not_finite():
    run = random_run(SHAPE, hidden_dims=(5,), latent_dim=3)
    run.step = 0
    (found,) = banners_of(run, content=drawn(False, False, False))
    assert "not trained" in found["text"]
    run.params["encoder"] = jax.tree.map(lambda leaf: np.full_like(leaf, np.inf), run.params["encoder"])
    (found,) = banners_of(run)
    assert "parameters are not finite" in found["text"]


def test_the_codebook_counts_the_codes_that_its_maps_show(quantized):
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (8, *SHAPE), np.uint8), np.zeros(8, np.int32))
    found = codebook.codebook(quantized, Dataset(split, split, split), {})
    assert found is not None
    assert (np.shape(found["maps"]), found["places"], found["size"]) == ((8, 1, 1, 3), "1 x 3", 6)
    counted = Counter(np.ravel(found["maps"]).tolist())
    assert found["counts"] == [counted[code] for code in range(6)]
    assert found["used"] == len(counted)
    assert found["images"]["columns"] == found["reconstructions"]["columns"] == 8
    vectors, known = quantized.encode(split.images).vectors, quantized.params["quantizer"]["codebook"]
    nearest = np.square(vectors[:, :, None] - known).sum(axis=3).argmin(axis=2)
    np.testing.assert_array_equal(np.array(found["maps"])[:, 0, 0], nearest)
    json.dumps(found)


def test_the_codebook_of_several_levels_has_a_map_and_counts_for_each():
    own: dict[str, Any] = {"residual__codes": 5, "residual__levels": 2, "quantized__codes_per_image": 3}
    run = random_run(SHAPE, model="quantized", quantizer="residual", hidden_dims=(5,), **own)
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (8, *SHAPE), np.uint8), np.zeros(8, np.int32))
    found = codebook.codebook(run, Dataset(split, split, split), {})
    assert found is not None
    assert run.model.grid == (1, 3, 2)
    assert (found["places"], found["size"], found["levels"]) == ("1 x 3 x 2", 10, 2)
    maps = np.array(found["maps"])
    assert maps.shape == (8, 2, 1, 3)
    counts = [np.bincount(maps[:, r].ravel(), minlength=5).tolist() for r in range(2)]
    assert found["counts"] == counts[0] + counts[1]
    vectors, known = run.encode(split.images).vectors, run.params["quantizer"]["codebook"]
    nearest = np.square(vectors[:, :, None] - known[0]).sum(axis=3).argmin(axis=2)
    np.testing.assert_array_equal(maps[:, 0, 0], nearest)
    left = vectors - known[0][nearest]
    second = np.square(left[:, :, None] - known[1]).sum(axis=3).argmin(axis=2)
    np.testing.assert_array_equal(maps[:, 1, 0], second)
    results = {"codes": {"counts": list(range(10))}, "best_epoch": 1.0, "epochs": 4.0, "step": 4}
    known_counts = codebook.codebook(run, Dataset(split, split, split), results)
    assert known_counts is not None
    assert known_counts["counts"] == list(range(10))


def test_counts_are_those_of_the_results_only_if_they_belong_to_the_checkpoint(quantized):
    split = Split(np.zeros((2, *SHAPE), np.uint8), np.zeros(2, np.int32))
    images = Dataset(split, split, split)
    results = {"codes": {"counts": [9, 0, 0, 0, 0, 1]}, "best_epoch": 1.0, "epochs": 4.0, "step": 4}
    assert quantized.step == 1
    assert codebook._counts(quantized, images, results).tolist() == [[9, 0, 0, 0, 0, 1]]
    assert codebook._counts(quantized, images, results | {"best_epoch": 2.0}).sum() == 6


def test_a_model_with_continuous_z_has_no_codebook(vae):
    split = Split(np.zeros((2, *SHAPE), np.uint8), np.zeros(2, np.int32))
    assert codebook.codebook(vae, Dataset(split, split, split), {}) is None


def test_a_run_is_trained_again_by_the_command_that_started_it_in_another_folder(tmp_path, make_config):
    config = make_config(num_epochs=5, seed=3)
    given = ["--config=my configs/vae.py", "--workdir=runs/mine/", "--config.num_epochs=5", "--config.seed=3"]
    command.record(given, config, tmp_path)
    first = shlex.join(["python", "-m", "vae_jax.main", given[0], *given[2:], "--workdir=runs/mine-again"])
    assert commands.again(config, tmp_path) == first
    extended = make_config(num_epochs=9, seed=3, early_stopping=2)
    words = shlex.split(commands.again(extended, tmp_path))
    assert words[4:] == [
        *("--config.num_epochs=9", "--config.seed=3", "--config.early_stopping=2"),
        "--workdir=runs/mine-again",
    ]


def test_a_run_without_a_given_folder_is_trained_again_beside_itself(tmp_path, make_config):
    workdir = tmp_path / "vae-digits-z3-abcdef"
    workdir.mkdir()
    command.record(["--config=configs/vae.py"], make_config(), workdir)
    words = shlex.split(commands.again(make_config(), workdir))
    assert words[3:] == ["--config=configs/vae.py", "--workdir=runs/vae-digits-z3-abcdef-again"]
    (workdir / command.FILE).unlink()
    assert commands.again(make_config(), workdir) == commands.reproduce_command(make_config())


def test_keys_that_the_starting_version_did_not_know_are_left_out_of_the_command(tmp_path, make_config):
    config = make_config()
    command.record(["--config=configs/vae.py"], config, tmp_path)
    stored = json.loads((tmp_path / command.FILE).read_text())
    del stored["config"]["seed"]
    (tmp_path / command.FILE).write_text(json.dumps(stored))
    assert "seed" not in commands.again(make_config(seed=8), tmp_path)
    assert flatten(config)["seed"] == 0


def test_the_animation_is_linked_only_if_the_page_has_no_film(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("animation.gif", "samples.png"):
        (tmp_path / "figures" / name).write_bytes(b"picture")
    embedded, linked = run_page.figures(tmp_path, tmp_path, 0)
    assert (len(embedded), [one["url"] for one in linked]) == (1, ["figures/animation.gif"])
    embedded, linked = run_page.figures(tmp_path, tmp_path, 0, {"animation"})
    assert (len(embedded), linked) == (1, [])


def test_the_name_of_a_pair_says_whose_codes_its_prior_has_learned(tmp_path):
    parent = random_run((8, 8, 1))
    assert facts.run_name(parent, tmp_path) == tmp_path.name
    assert facts.run_name(pair_of(parent, tmp_path), tmp_path) == f"{tmp_path.name}: a prior of the codes of parent"
