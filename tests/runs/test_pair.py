"""The pair of a run and a density of its codes, from training to its numbers; and what is refused."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.objective import terms_of
from support.random_run import random_run
from support.slow import first_fast

import vae_jax
from vae_jax import data
from vae_jax.commands import sweep
from vae_jax.config import nest
from vae_jax.data.digest import params_digest
from vae_jax.errors import InputError
from vae_jax.evaluation import codes as codes_lib
from vae_jax.models import given, make_model, require_rate
from vae_jax.models.distributions import normal_log_prob
from vae_jax.runs.pair import join
from vae_jax.train import train_and_evaluate
from vae_jax.types import Sample, Spec

FLOW = {"flow__layers": 2, "flow__hidden_dims": (8,)}


@pytest.fixture(scope="module")
def parent(tmp_path_factory, make_config):
    folder = tmp_path_factory.mktemp("runs") / "parent"
    train_and_evaluate(make_config(latent_dim=2, num_epochs=4, beta=0.05), folder)
    return folder


def density_config(make_config, parent, **changes):
    own = {"num_epochs": 6, "learning_rate": 1e-2, **FLOW, **changes}
    return make_config(model="density", dataset="codes", data_dir=str(parent), **own)


@pytest.fixture(scope="module")
def pair(parent, make_config):
    folder = parent.parent / "pair"
    results = train_and_evaluate(density_config(make_config, parent), folder)
    return folder, results


@pytest.mark.parametrize("condition", first_fast(["label", "none"]))
def test_a_parent_gets_the_prior_of_the_density_whoever_it_is_given(make_config, key, condition):
    parent = random_run((8, 8, 1), num_classes=3, condition=condition)
    spec = Spec((1, 1, 6), num_train=100, codes=("latents", 0, params_digest(parent.params)))
    config = make_config(model="density", dataset="codes", data_dir="parent", **FLOW)
    density = make_model(config, spec)
    codes = jax.random.normal(key, (100, *spec.shape))
    params = jax.jit(density.init)(key, Sample(codes.mean(axis=0), codes))
    run = join(parent, config, spec, density, params, 7, None)
    model = given(run.model, jnp.array([2, 0, 1]))
    posterior = model.encode(run.params, jax.random.uniform(key, (3, 8, 8, 1)))
    draw = model.reparameterize(run.params, key, posterior)
    assert density.prior is not None
    assert density.prior.log_prob is not None
    assert model.prior is not None
    assert model.prior.log_prob is not None
    expected = density.prior.log_prob(params, draw.z)
    np.testing.assert_array_equal(model.prior.log_prob(run.params, draw.z), expected)
    (_, rate), column = require_rate(model), normal_log_prob(draw.z, *posterior).sum(axis=1) - expected
    np.testing.assert_allclose(rate.kl_terms(run.params, posterior, draw)[:, 0], column, rtol=1e-5)
    assert rate.kl_names() == ("kl",)
    assert (run.model.prior is not None, run.standard_prior, "columns" in run.model.traits) == (True, False, False)
    assert (run.config.prior, run.config.flow.layers, run.step) == ("flow", 2, 7)
    other = spec._replace(codes=("latents", 0, "another"))
    with pytest.raises(
        InputError, match=r"^data_dir=parent: the run there has other parameters \(\w+\) than .* \(another\)"
    ):
        join(parent, config, other, density, params, 7, None)


@pytest.mark.slow
def test_the_run_is_the_parent_with_the_learned_prior(parent, pair):
    one, two = vae_jax.load_run(parent), vae_jax.load_run(pair[0])
    images = data.load(two.config).test.images[:20]
    np.testing.assert_array_equal(one.latents(images), two.latents(images))
    np.testing.assert_array_equal(one.reconstruct(images), two.reconstruct(images))
    assert (one.config.dataset, two.config.dataset, two.config.prior, two.shape) == (
        "digits",
        "digits",
        "flow",
        one.shape,
    )
    assert np.abs(one.sample(5) - two.sample(5)).max() > 1e-3
    z = two.sample_prior(5)
    np.testing.assert_allclose(two.decode(z), two.sample(5), atol=1e-6)
    # With so small a beta the codes are far from N(0, I).
    draws = jnp.asarray(one.sample_posterior(data.load(one.config).train.images))
    (own, _), (learned, _) = require_rate(one.model), require_rate(two.model)
    assert float((learned(two.params, draws) - own(one.params, draws)).mean()) > 0.01


@pytest.mark.slow
def test_its_numbers_are_those_of_the_pair(parent, pair):
    before, results = json.loads((parent / "results.json").read_text()), pair[1]
    assert results["test/reconstruction"] == pytest.approx(before["test/reconstruction"], rel=1e-5)
    assert results["test/mse_mean"] == before["test/mse_mean"]
    assert results["test/elbo"] == pytest.approx(-results["test/reconstruction"] - results["test/kl"], rel=1e-6)
    assert results["train/kl"] < before["train/kl"]
    assert (pair[0] / "report.html").is_file()
    assert "left_out" not in results


@pytest.mark.slow
def test_its_rate_is_that_of_its_codes(pair):
    run = vae_jax.load_run(pair[0])
    images = data.load(run.config).test.images
    log_prior, rate = require_rate(run.model)
    posterior = jax.tree.map(jnp.asarray, run.encode(images))
    draw = run.model.reparameterize(run.params, jax.random.key(0), posterior)
    log_q = normal_log_prob(draw.z, *posterior).sum(axis=1)
    expected = (log_q - log_prior(run.params, draw.z)).mean()
    assert float(rate.kl_terms(run.params, posterior, draw).mean()) == pytest.approx(float(expected), rel=1e-5)
    rows = [json.loads(line) for line in (pair[0] / "metrics.jsonl").read_text().splitlines()]
    assert not {"val/elbo", "val/reconstruction", "val/mse"} & rows[-1].keys()
    assert pair[1]["val/kl"] == pytest.approx(min(row["val/kl"] for row in rows), abs=0.1)  # other draws of z


@pytest.mark.slow
def test_it_continues_with_the_same_bits(parent, pair, make_config, tmp_path):
    train_and_evaluate(density_config(make_config, parent, num_epochs=2), tmp_path / "run")
    train_and_evaluate(density_config(make_config, parent), tmp_path / "run")
    one, two = vae_jax.load_run(pair[0]), vae_jax.load_run(tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, one.params, two.params)


@pytest.mark.slow
def test_a_run_that_is_missing_or_changed_is_refused(parent, make_config, tmp_path):
    own = tmp_path / "parent"
    shutil.copytree(parent, own)
    config = density_config(make_config, own, num_epochs=1)
    train_and_evaluate(config, tmp_path / "pair")
    shutil.move(own, tmp_path / "moved")
    with pytest.raises(
        InputError, match=r"^data_dir=.*: no such folder; if the data of a run have moved: .*--config.data_dir=NEW"
    ):
        vae_jax.load_run(tmp_path / "pair")
    shutil.move(tmp_path / "moved", own)
    train_and_evaluate(make_config(latent_dim=2, num_epochs=5, beta=0.05), own)
    with pytest.raises(InputError, match=r"^data_dir=.*: the run there has other parameters .* than those whose codes"):
        vae_jax.load_run(tmp_path / "pair")
    with pytest.raises(InputError, match=r"^data_dir=.*: the run there has other parameters .* than those whose codes"):
        train_and_evaluate(nest({**config.to_dict(), "num_epochs": 2}), tmp_path / "pair")


@pytest.mark.slow
def test_what_is_no_finished_run_with_gaussian_codes_is_refused(parent, make_config, tmp_path):
    with pytest.raises(InputError, match=r"^data_dir=: dataset=codes needs the folder of a finished run"):
        data.load(make_config(model="density", dataset="codes"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^data_dir=.*empty: not a run, there is no config\.json in it$"):
        train_and_evaluate(density_config(make_config, tmp_path / "empty"), tmp_path / "x")
    shutil.copytree(parent, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "results.json").unlink()
    (tmp_path / "unfinished" / "codes.npz").unlink(missing_ok=True)
    with pytest.raises(InputError, match="the run is not finished, so its codes may change"):
        train_and_evaluate(density_config(make_config, tmp_path / "unfinished"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    first_fast(
        [
            {"free_bits": 0.1},
            {"beta": 4.0, "kl_warmup_epochs": 40.0},
            {"objective": "factor"},
            {"objective": "importance", "importance__num_samples": 3},
        ]
    ),
    ids=str,
)
def test_the_objective_of_a_parent_is_no_part_of_the_pair(make_config, key, changes):
    parent = random_run((8, 8, 1), **changes)
    spec = Spec((1, 1, 6), num_train=100, codes=("latents", 0, params_digest(parent.params)))
    config = make_config(model="density", dataset="codes", learning_rate=0.5, **FLOW)
    density = make_model(config, spec)
    codes = jax.random.normal(key, (100, *spec.shape))
    params = jax.jit(density.init)(key, Sample(codes.mean(axis=0), codes))
    run = join(parent, config, spec, density, params, 7, None)
    terms = terms_of(run.config, run.model, run.params, key, jax.random.uniform(key, (2, 8, 8, 1)), train=False)
    np.testing.assert_allclose(terms["loss"], -terms["elbo"], rtol=1e-6)
    assert (run.config.learning_rate, run.config.objective, run.config.beta) == (0.5, "elbo", 1.0)


def test_drawn_codes_are_no_data_of_a_density(make_config, monkeypatch):
    monkeypatch.setattr(codes_lib, "load_parent", lambda config: random_run((8, 8, 1), model="categorical"))
    with pytest.raises(
        InputError, match=r"^data_dir=somewhere: model=categorical draws its codes, .*; choices: a run of model=q"
    ):
        codes_lib.ready_codes(make_config(model="density", dataset="codes", data_dir="somewhere"))


def test_a_density_without_a_folder_says_what_it_needs(make_config):
    with pytest.raises(
        InputError, match=r"^data_dir=: dataset=codes needs the folder of a finished run; choices: data_dir=RUN$"
    ):
        codes_lib.ready_codes(make_config(model="density", dataset="codes"))


def test_codes_of_one_dimension_have_no_halves_for_a_flow(make_config):
    config = make_config(model="density", dataset="codes", data_dir="parent")
    with pytest.raises(
        InputError, match=r"^prior=flow: the codes of data_dir=parent have one dimension; choices: prior=mixture"
    ):
        make_model(config, Spec((1, 1, 2), num_train=9, codes=("latents", 0, "digest")))


@pytest.mark.slow
def test_a_sweep_over_densities_compares_their_images(parent, tmp_path):
    flags = ["--config=configs/density.py", "--over=learning_rate=0.001,0.003", "--config.num_epochs=1"]
    sweep.main([*flags, f"--config.data_dir={parent}", f"--output={tmp_path}"])
    assert list(tmp_path.rglob("images.png"))
    page = next(tmp_path.rglob("report.html")).read_text()
    assert "--config.learning_rate=0.00" in page
    assert "--config.model=vae" not in page
