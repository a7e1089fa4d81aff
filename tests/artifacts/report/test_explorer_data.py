"""The data of the explorer: errors of points, ways to colour them, planes, and the film."""

import jax
import numpy as np
import pytest
import scipy.stats
from support.models import sample_of
from support.random_run import random_run

from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.report import colourings, explorer, film, planes
from vae_jax.artifacts.report.embedded_model import STORED, packed
from vae_jax.data.preprocess import unit
from vae_jax.models import make_model
from vae_jax.runs.latent_frames import FOLDER, filmed_rows, load_frames
from vae_jax.runs.run import Run
from vae_jax.types import Dataset, Spec, Split

SHAPE = (3, 2, 1)


def unpacked(array: dict) -> np.ndarray:
    import base64

    numbers = np.frombuffer(base64.b64decode(array["numbers"]), STORED[array["dtype"]])
    return numbers.reshape(array["shape"])


def dataset(count=40, classes=3) -> Dataset:
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (count, *SHAPE), np.uint8), np.arange(count, dtype=np.int32) % max(classes, 1))
    return Dataset(split, split, split, tuple("abcdef"[:classes]))


@pytest.fixture(scope="module")
def vae():
    return random_run(SHAPE, hidden_dims=(5,), latent_dim=4)


def test_errors_and_densities_are_those_of_each_point(vae):
    images = dataset()
    content = explorer.content(vae, images)
    points = content["points"]
    shown, codes = images.test.images[points["rows"]], unpacked(points["codes"])
    expected = np.square(vae.decode(codes) - unit(shown)).reshape(len(shown), -1).mean(axis=1)
    np.testing.assert_allclose(unpacked(points["errors"]), expected, rtol=1e-5)
    by_class, error, density = content["colourings"]
    assert by_class == {"name": "class", "kind": "class"}
    np.testing.assert_array_equal(unpacked(error["values"]), unpacked(points["errors"]))
    assert [error["low"], error["high"]] == pytest.approx(np.quantile(expected, [0.02, 0.98]), rel=1e-4)
    np.testing.assert_allclose(
        unpacked(density["values"]), scipy.stats.norm.logpdf(codes).sum(axis=1), rtol=1e-4, atol=1e-4
    )
    assert (density["unit"], content["film"], content["kl_parts"]) == ("nats", None, None)
    assert (content["finite"], content["alike"]) == (True, False)


def test_points_without_labels_are_coloured_by_error_first(vae):
    content = explorer.content(vae, dataset(classes=0))
    assert [one["name"] for one in content["colourings"]] == ["reconstruction error", "density under the prior"]
    assert [plane["name"] for plane in content["planes"]][-1] == "the two dimensions of largest KL"


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["mixture", "vamp"])
def test_a_point_is_in_the_component_that_most_probably_drew_it(make_config, prior):
    config = make_config(prior=prior, hidden_dims=(5,), latent_dim=2, **{f"{prior}__components": 30})
    spec, images = Spec(SHAPE, num_train=40), dataset().test.images
    model = make_model(config, spec)
    params = jax.jit(model.init)(jax.random.key(0), sample_of(images.mean(axis=0) / np.float32(255), images))
    run = Run(config, model, params, spec, 1)
    codes = np.random.default_rng(1).normal(size=(200, 2)).astype(np.float32)
    assert run.model.prior is not None
    if prior == "mixture":
        own = run.params["prior"]
        weights = np.asarray(own["logits"]) - scipy.special.logsumexp(own["logits"])
    else:
        assert run.model.prior.prepare is not None
        own = run.model.prior.prepare(run.params)["prior"]
        weights = np.zeros(30)
    spread = np.exp(np.asarray(own["logvar"]) / 2)
    joint = scipy.stats.norm.logpdf(codes[:, None], np.asarray(own["mean"]), spread).sum(axis=2) + weights
    _, component = colourings.under_prior(run, codes, None)
    assert component is not None
    np.testing.assert_array_equal(component, joint.argmax(axis=1))
    *_, found = colourings.colourings(run, codes, None, np.ones(200, np.float32), with_classes=False)
    groups, names = np.array(found["groups"]), found["names"]
    assert len(names) == len(found["colours"]) == min(21, len(np.unique(component)))
    assert np.all(np.diff(np.bincount(groups)[:20]) <= 0)
    for group, name in enumerate(names[:20]):
        assert set(component[groups == group]) == {int(name.split()[1]) - 1}
    assert len(names) < 21 or names[20] == "other components"


@pytest.mark.slow
def test_a_z_of_several_parts_has_no_density_at_its_code_and_names_the_terms_of_its_kl():
    run = random_run(SHAPE, model="two_layer", hidden_dims=(5,), latent_dim=3, two_layer__upper_latent_dim=2)
    images = dataset()
    content = explorer.content(run, images)
    assert [one["name"] for one in content["colourings"]] == ["class", "reconstruction error"]
    names = [f"lower z{k}" for k in (1, 2, 3)] + ["upper z1", "upper z2"]
    assert [part["name"] for part in content["kl_parts"]] == names
    terms = run.kl_terms(images.test.images).mean(axis=0)
    np.testing.assert_allclose([part["nats"] for part in content["kl_parts"]], terms, rtol=1e-5)


@pytest.mark.slow
def test_a_conditional_run_is_decoded_and_coloured_with_its_labels():
    run = random_run(SHAPE, 3, condition="label", hidden_dims=(5,), latent_dim=3)
    run.spec = run.spec._replace(class_names=("a", "b", "c"))
    images = dataset()
    points = explorer.content(run, images)["points"]
    shown, labels = images.test.images[points["rows"]], np.array(points["labels"])
    expected = np.square(run.reconstruct(shown, labels) - unit(shown)).reshape(len(shown), -1).mean(axis=1)
    np.testing.assert_allclose(unpacked(points["errors"]), expected, rtol=1e-4)


def test_what_is_not_finite_does_not_stop_the_page(vae):
    broken = random_run(SHAPE, hidden_dims=(5,), latent_dim=4)
    broken.params = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), broken.params)
    assert "not finite" in explorer.content(broken, dataset())["reason"]
    broken.params = {**vae.params, "decoder": broken.params["decoder"]}
    content = explorer.content(broken, dataset())
    assert not content["finite"]
    error = content["colourings"][1]
    assert (error["low"], error["high"]) == (0, 0)


def test_all_planes_are_orthonormal_and_none_is_there_twice():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    codes = rng.normal(size=(300, 5)) + 3 * rng.normal(size=(3, 5))[labels]
    found = planes.planes(codes, [0, 1, 2, 3, 4], "KL", [1, 2, 0, 3, 4], labels)
    names = ["principal components", "the two most active dimensions", "the two dimensions of largest KL"]
    assert [plane["name"] for plane in found] == [*names, "class differences (linear discriminants)"]
    for plane in found:
        axes = np.array(plane["axes"])
        np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
        assert (plane["kind"], len(plane["centre"]), len(plane["labels"])) == ("linear", 5, 2)
    assert found[1]["labels"] == ["z2", "z3"]
    assert [plane["name"] for plane in planes.planes(codes, [0, 1, 2, 3, 4], "KL", [1, 0, 2, 3, 4], labels % 2)] == [
        names[0],
        names[2],
    ]


@pytest.mark.slow
def test_discriminants_span_the_plane_that_scikit_learn_finds():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 2000)
    codes = rng.normal(size=(2000, 8)) @ rng.normal(size=(8, 8)) + rng.normal(size=(6, 8))[labels]
    (_, axes), names = geometry.discriminant_axes(codes, labels)
    theirs = np.linalg.qr(LinearDiscriminantAnalysis().fit(codes, labels).scalings_[:, :2])[0]
    angles = np.linalg.svd(axes.T @ theirs)[1]
    assert angles.min() > 0.999
    assert names[0].startswith("linear discriminant 1 (")


def test_class_differences_below_the_noise_of_the_posterior_are_no_discriminants():
    rng, labels = np.random.default_rng(0), np.arange(600) % 4
    codes = rng.normal(size=(600, 5)) * [1, 1, 1, 0.1, 0.1]
    codes[:, :2] += 2 * rng.normal(size=(4, 2))[labels]
    codes[:, 3:] += 0.5 * rng.normal(size=(4, 2))[labels]  # far apart for their spread, and near for the noise
    for noise, kept in ((0.0, False), (np.array([0.05, 0.05, 0.05, 1.0, 1.0]), True)):
        (_, axes), _ = geometry.discriminant_axes(codes, labels, noise)
        assert (np.abs(axes[3:]).max() < 0.5) == kept


def test_a_dimension_that_carries_almost_nothing_is_no_discriminant():
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 4
    codes = rng.normal(size=(600, 4)) + rng.normal(size=(4, 4))[labels]
    codes[:, 3] = 1e-6 * labels  # it tells the classes apart, and no decoder sees it
    codes[:, 2] = 0
    (_, axes), _ = geometry.discriminant_axes(codes, labels)
    np.testing.assert_allclose(axes[2:], 0, atol=0.05)


def store_frames(folder, steps, count, size=2):
    (folder / FOLDER).mkdir()
    for step in steps:
        frame = np.arange(count * size, dtype=np.float32).reshape(count, size) + step
        np.save(folder / FOLDER / f"{step}.npy", frame)


PLANE = {"centre": [1.0, 2.0], "axes": [[0.0, 1.0], [1.0, 0.0]]}


def test_the_film_has_at_most_forty_frames_of_five_hundred_codes_on_the_first_plane(tmp_path):
    images = dataset(600)
    store_frames(tmp_path, range(0, 500, 5), 600)
    (tmp_path / "metrics.jsonl").write_text('{"step": 10, "epoch": 2}\n{"step": 495, "epoch": 99}\n')
    found = film.film(tmp_path, images, PLANE, 99_999)
    assert found is not None
    steps = found["steps"]
    assert (len(steps), steps[0], steps[-1]) == (40, 0, 495)
    assert set(np.diff(steps)) == {10, 15}
    np.testing.assert_allclose(found["epochs"], np.array(steps) / 5)
    points = unpacked(found["points"])
    assert (points.shape, points.dtype, len(found["labels"])) == ((40, 500, 2), np.float16, 500)
    rows = film._spread(600, 500)
    assert found["labels"] == images.test.labels[rows].tolist()
    last = np.arange(1200).reshape(600, 2)[rows] + 495
    np.testing.assert_allclose(points[-1], np.stack([last[:, 1] - 2, last[:, 0] - 1], axis=1), atol=0.5)
    assert len(found["points"]["numbers"]) < 110_000


def test_frames_that_are_damaged_or_foreign_are_left_out_of_the_film(tmp_path):
    images = dataset(30, classes=0)
    assert film.film(tmp_path, images, PLANE, 99_999) is None
    store_frames(tmp_path, (0, 5, 10, 20), 30)
    (tmp_path / FOLDER / "10.npy").write_bytes(b"broken")
    np.save(tmp_path / FOLDER / "20.npy", np.zeros((30, 7), np.float32))
    found = film.film(tmp_path, images, PLANE, 99_999)
    assert found is not None
    assert (found["steps"], found["epochs"], found["labels"]) == ([0, 5], None, [])
    loaded = load_frames(tmp_path, 30)
    assert loaded is not None
    assert (loaded[0], loaded[1].shape) == ([20], (1, 30, 7))
    assert film.film(tmp_path, images, PLANE, 3) is None  # the frame of step 5 is later than the model
    np.save(tmp_path / FOLDER / "5.npy", np.full((30, 2), np.nan, np.float32))
    assert film.film(tmp_path, images, PLANE, 99_999) is None  # one frame is no film
    assert film.film(tmp_path, dataset(31), PLANE, 99_999) is None
    assert len(filmed_rows(30)) == 30


def test_an_array_is_stored_as_float16_on_request_if_it_fits():
    values = np.array([[1.5, -2.0]], np.float32)
    assert packed(values)["dtype"] == "float32"
    np.testing.assert_array_equal(unpacked(packed(values, "float16")), values)
    assert packed(values, "float16")["dtype"] == "float16"
    assert packed(1e5 * values, "float16")["dtype"] == "float32"
