"""The file with the codes of a run: what it holds, that nothing but the run decides it, and when it is written again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.pairs import pair_of
from support.random_run import random_run

from vae_jax import data
from vae_jax.data import codes as file
from vae_jax.errors import InputError
from vae_jax.evaluation import codes as codes_lib
from vae_jax.evaluation.codes import write_codes
from vae_jax.models.quantizers import Quantized
from vae_jax.training.prepare import prepare

SHAPE = (8, 8, 1)


def of_run(run, folder):
    path, about = write_codes(run, folder)
    again, splits = file.read(path)
    assert about == again
    return about, splits


def test_latents_are_the_means_and_log_variances_of_every_image(tmp_path):
    run = random_run(SHAPE, num_classes=10)
    about, splits = of_run(run, tmp_path)
    dataset = data.load(run.config)
    assert (about.kind, about.num_codes, about.class_names) == ("latents", 0, dataset.class_names)
    for name, rows in splits.items():
        images, labels = getattr(dataset, name)
        posterior = run.encode(images)
        assert rows.codes.shape == (len(images), 1, 1, 6)
        np.testing.assert_allclose(rows.codes[:, 0, 0, :3], posterior.mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(rows.codes[:, 0, 0, 3:], posterior.logvar, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(rows.labels, labels)


@pytest.mark.parametrize("condition", ["none", pytest.param("label", marks=pytest.mark.slow)])
def test_the_codes_of_an_autoencoder_are_points(tmp_path, condition):
    run = random_run(SHAPE, num_classes=10, model="ae", objective="reconstruction", condition=condition)
    run.spec = run.spec._replace(class_names=data.load(run.config).class_names)
    about, splits = of_run(run, tmp_path)
    assert (about.kind, about.num_codes) == ("points", 0)
    images, labels = data.load(run.config).val
    codes = run.latents(images, labels if run.class_names else None)
    np.testing.assert_allclose(splits["val"].codes.reshape(-1, 3), codes, rtol=1e-5, atol=1e-5)


def test_indices_outside_and_numbers_that_are_not_finite_are_refused(make_config, tmp_path):
    rows = {name: file.Rows(np.full((2, 1, 2, 1), 4, np.int32), np.zeros(2, np.int32)) for name in file.SPLITS}
    config = make_config(model="density", dataset="codes", data_dir=str(tmp_path))
    file.write(tmp_path / file.FILE, file.About("indices", 5, "digest", 1, ()), rows)
    assert file.load_codes(config).train.images.max() == 4
    for value, kind, about in ((5, "index 5", 5), (-1, "index -1", 5), (np.nan, "numbers that are not finite", 0)):
        rows["val"].codes[:] = 4
        own = rows["val"]._replace(codes=rows["val"].codes.astype(np.float32 if about == 0 else np.int32))
        own.codes[1, 0, 1, 0] = value
        names = "indices" if about else "points", about
        file.write(tmp_path / file.FILE, file.About(*names, "digest", 1, ()), rows | {"val": own})
        with pytest.raises(
            InputError, match=rf"^{tmp_path}/codes\.npz: val_codes has (the )?{kind}.*; delete the file, and "
        ):
            file.load_codes(config)


@pytest.mark.slow
def test_the_latents_of_a_grid_are_at_their_places(tmp_path):
    run = random_run(SHAPE, network="conv", channels=(6,), latent_grid=2)
    rows = of_run(run, tmp_path)[1]["test"].codes
    posterior = run.encode(data.load(run.config).test.images[:3])
    assert rows.shape[1:] == (4, 4, 4)
    np.testing.assert_allclose(rows[:3, ..., :2].reshape(3, -1), posterior.mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rows[:3, ..., 2:].reshape(3, -1), posterior.logvar, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "places"),
    [({}, (1, 4)), pytest.param({"network": "conv", "channels": (6, 8)}, (2, 2), marks=pytest.mark.slow)],
    ids=["vector", "grid"],
)
def test_indices_decode_to_the_reconstruction(tmp_path, changes, places):
    run = random_run(SHAPE, model="quantized", vq__codes=5, **changes)
    about, splits = of_run(run, tmp_path)
    codes = splits["val"].codes
    assert (about.kind, about.num_codes, codes.dtype, codes.shape[1:]) == ("indices", 5, np.int32, (*places, 1))
    assert 0 <= codes.min() < codes.max() < 5
    indices = jnp.asarray(codes.reshape(len(codes), -1))
    pixels = run.decode(Quantized(jnp.asarray(run.params["quantizer"]["codebook"])[indices], indices))
    np.testing.assert_allclose(pixels, run.reconstruct(data.load(run.config).val.images), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_no_number_of_the_config_but_the_seed_of_binarised_pixels_changes_a_bit(tmp_path):
    found = []
    for number, (size, seed) in enumerate([(7, 0), (500, 0), (7, 1)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        found.append(of_run(random_run(SHAPE, binarize="dynamic", eval__batch_size=size, seed=seed), folder)[1])
    jax.tree.map(np.testing.assert_array_equal, found[0], found[1])
    np.testing.assert_array_equal(found[0]["test"].codes, found[2]["test"].codes)  # binarised once, by split_seed
    assert (found[0]["train"].codes != found[2]["train"].codes).any()


def test_codes_of_the_same_parameters_are_written_once(tmp_path):
    run = random_run(SHAPE)
    path, about = write_codes(run, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content + b"\0")  # a zip file is read from its end, which may have so much behind it
    write_codes(run, tmp_path)
    assert len(path.read_bytes()) == len(content) + 1
    run.params["decoder"]["output"]["bias"] = run.params["decoder"]["output"]["bias"] + 1e-6
    assert write_codes(run, tmp_path)[1].digest != about.digest
    path.write_bytes(content[: len(content) // 2])
    assert file.read_about(path) is None
    with pytest.raises(InputError, match=r"codes\.npz: damaged, or no file of codes; vae-jax codes --workdir=/"):
        file.read(path)
    assert write_codes(random_run(SHAPE), tmp_path)[1] == about
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "changes",
    [{"posterior": "full"}, {"model": "two_layer"}, {"model": "two_layer", "two_layer__upper_latent_dim": 2}],
    ids=str,
)
def test_other_codes_are_refused(tmp_path, changes):
    with pytest.raises(
        InputError, match=r"^model=\w+.*: its posteriors are no diagonal Gaussians .*; choices: model=vae"
    ):
        write_codes(random_run(SHAPE, **changes), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    run = random_run(SHAPE)
    run.workdir = tmp_path
    with pytest.raises(
        InputError, match=r"^--workdir=.*: the run is not finished, so its codes may change; choices: a fin"
    ):
        write_codes(run, tmp_path)


def test_a_pair_has_no_codes_but_those_of_its_first_run(tmp_path):
    run = pair_of(random_run((8, 8, 1)), tmp_path)
    with pytest.raises(
        InputError, match=rf"^--workdir={tmp_path}: model=density: .*; choices: --workdir=/parent, the run"
    ):
        write_codes(run, tmp_path / "codes")
    assert not (tmp_path / "codes").exists()


@pytest.mark.parametrize(
    ("parent", "changes", "line"),
    [
        (
            {"model": "quantized"},
            {"prior": "flow"},
            r"prior=flow: model=density has indices .*; choices: prior=pixelcnn",
        ),
        ({}, {"prior": "pixelcnn"}, r"prior=pixelcnn: model=density has latents .*; choices: prior=flow, mixture, st"),
        ({"latent_dim": 1}, {}, r"prior=flow: the codes of .* have one dimension; choices: prior=mixture, standard"),
        ({}, {"batch_size": 5000}, r"batch_size=5000: the training split has only 1294 images"),
    ],
    ids=str,
)
def test_a_density_that_is_refused_writes_no_codes(make_config, monkeypatch, tmp_path, parent, changes, line):
    own = random_run(SHAPE, num_classes=10, **parent)
    monkeypatch.setattr(codes_lib, "load_parent", lambda config: own)
    config = make_config(model="density", dataset="codes", data_dir=str(tmp_path), **changes)
    with pytest.raises(InputError, match=f"^{line}"):
        prepare(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [{}, {"model": "quantized", "quantizer": "residual", "network": "conv", "channels": (6,)}, {"condition": "label"}],
    ids=str,
)
def test_the_facts_that_a_density_is_refused_by_are_those_of_the_file(tmp_path, changes):
    run = random_run(SHAPE, num_classes=10, **changes)
    dataset = data.load(run.config)
    run.spec = run.spec._replace(class_names=dataset.class_names)
    about, splits = of_run(run, tmp_path)
    spec = codes_lib._spec_of_codes(run, dataset)
    assert (len(splits["train"].codes), *spec.shape) == splits["train"].codes.shape
    assert (spec.num_train, spec.class_names) == (len(splits["train"].labels), about.class_names)
    assert spec.codes is not None
    assert spec.codes[:2] == (about.kind, about.num_codes)
