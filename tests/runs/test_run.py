import doctest
import inspect
import json
import multiprocessing
import operator
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from support.plain_runs import without_pictures

import vae_jax
from vae_jax.errors import InputError
from vae_jax.runs import loading
from vae_jax.runs.run import Run
from vae_jax.train import train_and_evaluate


@pytest.fixture(scope="module")
def workdirs(tmp_path_factory):
    from conftest import small_config

    folder = tmp_path_factory.mktemp("runs")
    autoencoder = small_config(model="ae", objective="reconstruction", likelihood="gaussian", num_epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        train_and_evaluate(small_config(checkpoint__every_epochs=1, num_epochs=2), folder / "vae")
        train_and_evaluate(autoencoder, folder / "ae")
    return folder


def test_the_example_in_the_docstring_of_load_run_works(workdirs):
    finder = doctest.DocTestFinder()
    (example,) = (test for test in finder.find(loading.load_run, globs={"workdir": workdirs / "vae"}) if test.examples)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_a_loaded_run_agrees_with_its_own_pure_functions(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    posterior = run.encode(images)
    expected = run.model.encode(run.params, jnp.float32(images) / 255)
    np.testing.assert_allclose(posterior.mean, expected.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(posterior.logvar, expected.logvar, rtol=1e-5, atol=1e-6)
    assert run.model.pixel_mean is not None
    pixels = run.model.pixel_mean(run.params, run.model.decode(run.params, expected.mean))
    np.testing.assert_allclose(run.reconstruct(images), pixels, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(run.reconstruct(images), run.decode(posterior.mean))


def test_images_can_be_bytes_or_floats_with_or_without_a_channel(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    for same in (images[..., 0], images / 255, (images / np.float32(255))[..., 0]):
        np.testing.assert_allclose(run.encode(same).mean, run.encode(images).mean, rtol=1e-5, atol=1e-6)
    for wrong in (images[:, :7], images.astype(np.float32), np.full((1, 8, 8, 1), np.nan)):
        with pytest.raises(InputError, match=r"^x "):
            run.encode(wrong)


def test_latent_points_of_a_wrong_kind_are_refused_in_one_line(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    z = np.zeros((2, run.config.latent_dim), np.float32)
    np.testing.assert_array_equal(run.decode(z.tolist()), run.decode(z))
    assert run.decode(z[:0]).shape == (0, *run.shape)
    posterior = run.encode(np.zeros((2, 8, 8, 1), np.uint8))
    wrong = {
        "(3,)": z[0],
        "(2, 2)": z[:, :2],
        "Posterior": posterior,
        "str": "z",
        "list": [[0.0], [0.0, 1.0]],
        "()": 1.0,
    }
    for words, given in wrong.items():
        with pytest.raises(InputError, match=r"^z .*the run decodes z of shape \[N, 3\]") as error:
            run.decode(given)
        assert words in str(error.value)
        assert "\n" not in str(error.value)


def test_one_image_without_a_batch_axis_and_a_negative_number_of_samples_are_refused(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    with pytest.raises(
        InputError, match=r"^x is one image of shape \(8, 8, 1\), without a batch axis; give x\[None\]$"
    ):
        run.encode(np.zeros((8, 8, 1), np.uint8))
    with pytest.raises(InputError, match=r"^n=-1: "):
        run.sample(-1)


@pytest.fixture
def unchecked(monkeypatch):
    """The methods of a run as a user has them: argument types are checked in tests only."""
    for name, method in vars(Run).items():
        if inspect.isfunction(method):
            monkeypatch.setattr(Run, name, inspect.unwrap(method))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.sample(2.5), r"^n=2\.5: not a whole number; choices: 0 to 2147483647$"),
        (lambda run: run.sample("2"), r"^n=2: not a whole number"),
        (lambda run: run.sample(True), r"^n=True: not a whole number"),
        (lambda run: run.sample_prior(None), r"^n=None: not a whole number"),
        (lambda run: run.sample(2, seed=1.5), r"^seed=1\.5: not a whole number; choices: 0 to 4294967295$"),
        (lambda run: run.sample_prior(2, seed=2**32), r"^seed=4294967296: not a whole number"),
        (lambda run: run.sample_posterior(np.zeros((1, 8, 8, 1), np.uint8), seed="a"), r"^seed=a: not a whole number"),
        (lambda run: run.decode(np.zeros((1, 3)), seed=-1), r"^seed=-1: not a whole number"),
    ],
)
def test_numbers_of_samples_and_seeds_that_are_none_are_one_line(workdirs, unchecked, call, message):
    with pytest.raises(InputError, match=message):
        call(vae_jax.load_run(workdirs / "vae"))


def test_numbers_of_numpy_are_whole_numbers(workdirs, unchecked):
    run = vae_jax.load_run(workdirs / "vae")
    numbers: Any = (np.int64(2), np.uint32(2**32 - 1))
    assert run.sample(*numbers).shape == (2, 8, 8, 1)


def test_a_run_says_in_one_line_which_it_is(workdirs):
    run = vae_jax.load_run(workdirs / "vae", "latest")
    assert repr(run) == f"<Run: vae on digits, latent_dim=3, step 40, {workdirs / 'vae'}>"


def test_results_of_an_image_do_not_depend_on_the_number_of_images(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    images = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 1), np.uint8)
    whole = run.encode(images).mean
    run.config.eval.batch_size = 10
    np.testing.assert_allclose(run.encode(images).mean, whole, rtol=1e-5, atol=1e-6)
    assert run.encode(images[:0]).mean.shape == (0, 3)


def test_samples_depend_on_the_seed_and_not_on_their_number(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    np.testing.assert_allclose(run.sample(6, seed=2)[:4], run.sample(4, seed=2), atol=1e-6)
    assert np.abs(run.sample(4, seed=2) - run.sample(4, seed=3)).max() > 1e-3


def test_draws_from_the_prior_shrink_with_the_temperature(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    z = run.sample_prior(4, 2)
    np.testing.assert_array_equal(run.sample_prior(4, 2, temperature=0.5), z / 2)
    np.testing.assert_array_equal(run.sample(4, 2, temperature=0.5), run.decode(z / 2))


def test_the_best_or_the_latest_checkpoint_is_loaded(workdirs):
    assert vae_jax.load_run(workdirs / "vae", "latest").step == 40
    with pytest.raises(InputError, match="which=Best: no such checkpoint; choices: best, latest"):
        inspect.unwrap(loading.load_run)(workdirs / "vae", "Best")  # argument types are checked in tests only
    assert vae_jax.load_run(workdirs / "vae").step in (20, 40)


def test_an_autoencoder_has_no_samples(workdirs):
    run = vae_jax.load_run(workdirs / "ae")
    assert not hasattr(run.encode(np.zeros((1, 8, 8), np.uint8)), "logvar")
    with pytest.raises(InputError, match="model=ae: has no prior"):
        run.sample(1)


def test_a_folder_that_is_not_a_run_is_refused(tmp_path, workdirs):
    with pytest.raises(InputError, match="no such folder"):
        vae_jax.load_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a run"):
        vae_jax.load_run(tmp_path)
    (tmp_path / "config.json").write_text((workdirs / "vae" / "config.json").read_text())
    with pytest.raises(InputError, match=r"no checkpoint yet; resume it: python -m vae_jax\.main"):
        vae_jax.load_run(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("key", ["model", "network", "activation", "likelihood", "objective"])
def test_a_run_with_names_unknown_to_this_version_is_refused(tmp_path, workdirs, key):
    config = json.loads((workdirs / "vae" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {key: "future"}))
    with pytest.raises(InputError, match=f"{key}=future: .*choices: "):
        vae_jax.load_run(tmp_path)


def test_a_pickled_run_encodes_the_same_bits_in_a_spawned_process(workdirs):
    run = vae_jax.load_run(workdirs / "vae", "latest")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        mean = pool.submit(operator.methodcaller("encode", images), run).result().mean
    np.testing.assert_array_equal(mean, run.encode(images).mean)
    earlier = vae_jax.load_run(workdirs / "vae", step=20)
    assert pickle.loads(pickle.dumps(earlier)).step == 20 < run.step


def test_a_run_without_a_workdir_cannot_be_pickled(workdirs):
    run = vae_jax.load_run(workdirs / "vae")
    with pytest.raises(InputError, match="without a workdir cannot be pickled"):
        pickle.dumps(vae_jax.Run(run.config, run.model, run.params, run.spec, run.step))
