import numpy as np
import pytest

from vae_jax import latents
from vae_jax.types import Code, Split


def make_source(sample=None, size=50):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (size, 4, 4, 1), np.uint8)
    calls = []

    def encode(x):
        calls.append(len(x))
        return Code(x.reshape(len(x), -1)[:, :5].astype(np.float32))

    source = latents.Source(
        encode=encode,
        reconstruct=lambda x: x / np.float32(510),
        sample=sample,
        test=Split(images, np.arange(size, dtype=np.int32) % 3),
        class_names=("a", "b", "c"),
        history={},
        seed=4,
    )
    return source, calls


def test_two_dimensions_are_themselves_and_more_are_principal_components():
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(200, 2)).astype(np.float32)
    points, names = latents.project(plane)
    np.testing.assert_array_equal(points, plane)
    assert names == ("z1", "z2")

    spread = rng.normal(size=(200, 2)) * [3.0, 1.0]
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    points, names = latents.project(np.asarray(spread @ rotation[:2] + 7, np.float32))
    centred = spread - spread.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(centred @ axes.T), atol=1e-4)
    share = singular**2 / (singular**2).sum()
    assert names == tuple(f"principal component {i + 1} ({share[i]:.0%} of variance)" for i in range(2))


def test_one_dimension_and_a_collapsed_space_can_be_drawn():
    points, names = latents.project(np.ones((5, 1), np.float32))
    assert points.shape == (5, 2)
    assert names[0] == "z1"
    points, _ = latents.project(np.zeros((5, 4), np.float32))
    assert np.isfinite(points).all()


def test_arrays_are_computed_once_and_only_when_asked():
    source, calls = make_source()
    drawn = latents.draw(
        source, {"scatter": lambda points, axis_names, labels: (points.shape, len(axis_names), labels.shape)}
    )
    assert drawn == {"scatter": ((50, 2), 2, (50,))}
    assert calls == [50]
    latents.draw(source, {"names": lambda class_names: class_names})
    assert calls == [50]


def test_a_figure_fits_when_all_its_arrays_exist():
    figures = {"samples": lambda samples: samples.shape, "curves": lambda history: history, "labels": lambda labels: 1}
    assert list(latents.draw(make_source()[0], figures)) == ["labels"]
    source, _ = make_source(sample=lambda n, seed: np.zeros((n, 4, 4, 1), np.float32))
    assert latents.draw(source, figures)["samples"] == (64, 4, 4, 1)


def test_originals_and_reconstructions_are_the_same_random_images():
    source, _ = make_source()
    drawn = latents.draw(source, {"pair": lambda originals, reconstructions: (originals, reconstructions)})["pair"]
    np.testing.assert_allclose(drawn[0] / 2, drawn[1])
    rows = latents.random_rows(source)
    assert len(set(rows.tolist())) == latents.NUM_RECONSTRUCTIONS
    assert rows.tolist() != latents.random_rows(source._replace(seed=5)).tolist()
    assert len(latents.random_rows(make_source(size=3)[0])) == 3


def test_a_denoisers_reconstructions_are_those_of_the_corrupted_images():
    def pair(originals, reconstructions, corrupted=None):
        return originals, reconstructions, corrupted

    source, _ = make_source()
    assert latents.draw(source, {"pair": pair})["pair"][2] is None
    source = source._replace(
        corrupt=lambda x, seed: x / np.float32(255) + seed, reconstruct=lambda x: x / np.float32(2)
    )
    originals, reconstructions, corrupted = latents.draw(source, {"pair": pair})["pair"]
    np.testing.assert_allclose(corrupted, originals + 4)
    np.testing.assert_allclose(reconstructions, corrupted / 2)


def test_every_array_name_of_the_figures_is_known():
    import inspect

    from vae_jax.figures import FIGURES

    for name, figure in FIGURES.items():
        unknown = set(inspect.signature(figure).parameters) - set(latents.ARRAYS)
        assert not unknown, pytest.fail(f"{name} asks for {unknown}, which latents.ARRAYS does not have")
