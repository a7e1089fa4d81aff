from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from vae_jax.artifacts import arrays
from vae_jax.artifacts.arrays import geometry, normality, tsne
from vae_jax.artifacts.draw import draw_figures, write_figures
from vae_jax.errors import InputError, TrainingError
from vae_jax.types import Split


def draw(source, figures):
    """Return {name: figure} of the figures that fit."""
    found = {drawn.name: drawn for drawn in draw_figures(source, figures)}
    for drawn in found.values():
        if drawn.error is not None:
            raise drawn.error
    return {name: drawn.figure for name, drawn in found.items() if not drawn.lacks}


def make_source(sample=None, size=50, latent_dim=5, **changes):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (size, 4, 4, 1), np.uint8)
    calls = []

    def latents(x):
        calls.append(len(x))
        return x.reshape(len(x), -1)[:, :latent_dim].astype(np.float32)

    source = arrays.Source(
        latents=latents,
        decode=lambda z: np.broadcast_to(z.sum(1)[:, None, None, None], (len(z), 4, 4, 1)),
        reconstruct=lambda x: x / np.float32(510),
        sample=sample,
        test=Split(images, np.arange(size, dtype=np.int32) % 3),
        class_names=("a", "b", "c"),
        history={},
        seed=4,
    )
    return source._replace(**changes), calls


def test_two_dimensions_are_unchanged_and_more_become_principal_components():
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(200, 2)).astype(np.float32)
    points, names = arrays.project(plane)
    np.testing.assert_array_equal(points, plane)
    assert names == ("z1", "z2")

    spread = rng.normal(size=(200, 2)) * [3.0, 1.0]
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    points, names = arrays.project(np.asarray(spread @ rotation[:2] + 7, np.float32))
    centred = spread - spread.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(centred @ axes.T), atol=1e-4)
    share = singular**2 / (singular**2).sum()
    assert names == tuple(f"principal component {i + 1} ({share[i]:.0%} of variance)" for i in range(2))


def test_one_dimension_and_a_collapsed_space_can_be_drawn():
    points, names = arrays.project(np.ones((5, 1), np.float32))
    assert points.shape == (5, 2)
    assert names[0] == "z1"
    points, _ = arrays.project(np.zeros((5, 4), np.float32))
    assert np.isfinite(points).all()


def test_arrays_are_computed_once_and_only_on_request():
    source, calls = make_source()
    drawn = draw(source, {"scatter": lambda points, axis_names, labels: (points.shape, len(axis_names), labels.shape)})
    assert drawn == {"scatter": ((50, 2), 2, (50,))}
    assert calls == [50]
    draw(source, {"names": lambda class_names: class_names})
    assert calls == [50]


def test_a_figure_fits_when_all_its_arrays_exist():
    figures = {"samples": lambda samples: samples.shape, "curves": lambda history: history, "labels": lambda labels: 1}
    assert list(draw(make_source()[0], figures)) == ["labels"]
    source, _ = make_source(sample=lambda n, seed: np.zeros((n, 4, 4, 1), np.float32))
    assert draw(source, figures)["samples"] == (64, 4, 4, 1)


def test_a_sphere_has_no_traversal_because_numbers_are_read_by_their_direction_alone():
    source, _ = make_source(lambda n, seed: np.zeros((n, 4, 4, 1)))
    figures = {"traversal": lambda traversal: traversal}
    assert draw(source, figures).keys() == {"traversal"}
    assert draw(source._replace(on_sphere=True), figures) == {}


def test_examples_are_the_first_image_of_each_class_then_the_second():
    labels = np.array([2, 2, 0, 2, 0, 5, 2, 0])
    assert arrays.in_turn(labels).tolist() == [2, 0, 5, 4, 1, 7, 3, 6]
    assert arrays.in_turn(np.zeros(4, int)).tolist() == [0, 1, 2, 3]
    assert arrays.in_turn(labels[:0]).tolist() == []
    source, _ = make_source()
    source = source._replace(test=source.test._replace(labels=np.sort(source.test.labels)))
    rows = arrays.example_rows(source)
    assert source.test.labels[rows].tolist() == [0, 1, 2] * 4
    (originals,) = draw(source, {"pair": lambda originals: originals}).values()
    np.testing.assert_array_equal(originals, source.test.images[rows] / np.float32(255))
    shown = draw(source._replace(request=arrays.Request(points=9)), {"rows": lambda tsne_rows: tsne_rows})["rows"]
    present = source.test.labels[shown]
    assert present[: len(set(present))].tolist() == sorted(set(present))


def test_originals_and_reconstructions_are_the_same_images_random_without_labels():
    source, _ = make_source()
    pair = {"pair": lambda originals, reconstructions: (originals, reconstructions)}
    unnamed = source._replace(class_names=())
    for given in (source, unnamed):
        drawn = draw(given, pair)["pair"]
        np.testing.assert_allclose(drawn[0] / 2, drawn[1])
    rows = arrays.random_rows(source)
    assert arrays.example_rows(unnamed).tolist() == rows.tolist()
    assert len(set(rows.tolist())) == arrays.NUM_EXAMPLES
    assert rows.tolist() != arrays.random_rows(source._replace(seed=5)).tolist()
    assert len(arrays.random_rows(make_source(size=3)[0])) == 3


def test_a_denoiser_reconstructs_the_corrupted_images():
    def pair(originals, reconstructions, corrupted=None):
        return originals, reconstructions, corrupted

    source, _ = make_source()
    assert draw(source, {"pair": pair})["pair"][2] is None
    source = source._replace(
        corrupt=lambda x, seed: x / np.float32(255) + seed, reconstruct=lambda x: x / np.float32(2)
    )
    originals, reconstructions, corrupted = draw(source, {"pair": pair})["pair"]
    np.testing.assert_allclose(corrupted, originals + 4)
    np.testing.assert_allclose(reconstructions, corrupted / 2)


def angles(points: np.ndarray) -> np.ndarray:
    """Return the angles between neighbours."""
    unit = points / np.linalg.norm(points.astype(np.float64), axis=1, keepdims=True)
    return np.arccos(np.clip((unit[1:] * unit[:-1]).sum(1), -1, 1))


@pytest.mark.parametrize("size", [2, 3, 50])
def test_a_spherical_interpolation_has_equal_angles_in_the_plane_of_its_endpoints(size):
    rng = np.random.default_rng(size)
    a, b = rng.normal(size=(2, size)).astype(np.float32)
    walk = geometry.spherical_walk(a, b, 10)
    np.testing.assert_array_equal(walk[[0, -1]], [a, b])
    whole = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    np.testing.assert_allclose(angles(walk), whole / 9, rtol=1e-3)
    np.testing.assert_allclose(
        np.linalg.norm(walk, axis=1), np.linspace(np.linalg.norm(a), np.linalg.norm(b), 10), rtol=1e-5
    )
    assert np.linalg.matrix_rank(walk, tol=1e-4) <= 2


def test_a_spherical_interpolation_on_the_sphere_is_slerp():
    a, b = np.array([1.0, 0, 0]), np.array([0.0, 0.6, 0.8])
    t, w = np.linspace(0, 1, 7)[:, None], np.pi / 2
    expected = np.sin((1 - t) * w) * a + np.sin(t * w) * b
    np.testing.assert_allclose(geometry.spherical_walk(a, b, 7), expected, atol=1e-6)


def test_a_spherical_interpolation_between_opposite_parallel_and_zero_points():
    a = np.array([3.0, 0, 0])
    np.testing.assert_allclose(angles(geometry.spherical_walk(a, -a, 7)), np.pi / 6, rtol=1e-5)
    for end in (2 * a, np.zeros(3), a):
        np.testing.assert_allclose(geometry.spherical_walk(a, end, 5), geometry.straight_walk(a, end, 5))
    assert np.isfinite(geometry.spherical_walk(a[:1], -a[:1], 4)).all()


def test_the_grid_of_equal_probability_has_uniform_quantiles():
    coordinates = geometry.quantile_coordinates(20)
    np.testing.assert_allclose(stats.norm.cdf(coordinates), (np.arange(20) + 0.5) / 20)
    np.testing.assert_allclose(np.diff(geometry.even_coordinates(20)), 6 / 19)
    plane = geometry.plane(coordinates).reshape(20, 20, 2)
    assert (np.diff(plane[..., 0], axis=1) > 0).all()
    assert (np.diff(plane[..., 1], axis=0) < 0).all()  # the first row is the top one
    np.testing.assert_allclose(plane[:, 3, 0], coordinates[3], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_ks_distances_agree_with_scipy(n):
    z = (np.random.default_rng(n).normal(size=(n, 4)) * [1, 2, 0.1, 1] + [0, 0, 0, 3]).astype(np.float32)
    expected = [stats.kstest(z[:, k].astype(np.float64), "norm").statistic for k in range(4)]
    np.testing.assert_allclose(normality.ks_distances(z), expected, atol=1e-12)


def test_quantiles_of_the_normal_distribution_lie_on_the_diagonal():
    exact = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    expected, found = normality.quantiles(np.random.default_rng(0).permutation(exact)[:, None])
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-9)
    assert len(expected) == normality.MOST_QUANTILES
    assert found.max() == exact.max()


@pytest.mark.parametrize("n", [1, 5, 50, 10_000])
def test_the_bound_of_the_ks_distance_is_exceeded_by_one_sample_in_a_hundred(n):
    assert stats.kstwo.sf(normality.ks_bound(n), n) == pytest.approx(0.01)


def test_a_sample_leaves_the_band_of_its_qq_plot_if_its_ks_distance_is_above_the_bound():
    z = np.random.default_rng(0).normal(size=(150, 400)) * np.linspace(0.7, 1.5, 400)
    _, found = normality.quantiles(z)
    low, high = normality.band(150)
    outside = ((found < low[:, None]) | (found > high[:, None])).any(0)
    assert 50 < outside.sum() < 350
    np.testing.assert_array_equal(outside, normality.ks_distances(z) > normality.ks_bound(150))


def test_the_decoded_plane_covers_98_percent_of_the_codes_on_each_axis():
    latents: Any = np.random.default_rng(0).normal(size=(1000, 2)) * [0.5, 2]
    latents[0] = 90
    assert geometry.reach_of(latents) == pytest.approx(
        np.abs(np.quantile(latents, [0.01, 0.99], axis=0)).max(), abs=0.1
    )
    assert geometry.reach_of(0 * latents) == geometry.reach_of(np.nan * latents) == 1
    decoded = []
    source, _ = make_source(latent_dim=2, standard_prior=True, latents=lambda x: latents.astype(np.float32))
    source = source._replace(decode=lambda z: decoded.append(z) or np.zeros((len(z), 4, 4, 1)))
    reach = draw(source, {"plane": lambda manifold_even, manifold_reach: manifold_reach})["plane"]
    assert decoded[0].shape == (13 * 13, 2)
    assert np.abs(decoded[0]).max(axis=0) == pytest.approx(reach)


def test_dimensions_are_ordered_by_their_kl_and_only_active_ones_are_drawn():
    means: Any = (np.random.default_rng(0).normal(size=(500, 4)) * [0.05, 1, 0.2, 2]).astype(np.float32)
    assert geometry.by_kl(means, None) == [3, 1, 2, 0]
    kl = np.array([[0.5, 1, 2, 3, 2.5]])  # the last of a layer above
    assert geometry.by_kl(means, kl[0]) == [3, 2, 1, 0]
    source, _ = make_source(latents=lambda x: means, kl_terms=lambda x: kl, kl_of_dimensions=True)
    names = {"names": lambda shown_dimensions, kl_order, active: (shown_dimensions, kl_order, active.tolist())}
    order = [3, 2, 1, 0]
    assert draw(source, names)["names"] == ([3, 2, 1], order, [False, True, True, True])
    collapsed = source._replace(latents=lambda x: 0 * means)
    assert draw(collapsed, names)["names"] == ([3], order, [False] * 4)
    # A KL of all dimensions together says nothing about their order.
    whole = source._replace(kl_terms=lambda x: kl.sum(axis=1)[:, None], kl_of_dimensions=False)
    assert draw(whole, names)["names"] == ([3, 1, 2], [3, 1, 2, 0], [False, True, True, True])
    (drawn,) = draw_figures(whole, {"kl": lambda kl_per_dimension: kl_per_dimension})
    assert "a term for each latent dimension" in drawn.lacks
    points = geometry.one_at_a_time([2, 0], np.array([-1.0, 1.0]), 3)
    assert points.tolist() == [[0, 0, -1], [0, 0, 1], [-1, 0, 0], [1, 0, 0]]


def test_an_interpolation_is_between_class_means_or_images():
    source, _ = make_source()
    figures = {"walk": lambda walk_names, walk_straight, walk_spherical: (walk_names, walk_straight, walk_spherical)}
    latents_of = source.latents(source.test.images)

    def ends(**request):
        names, *walks = draw(source._replace(request=arrays.Request(**request)), figures)["walk"]
        assert [walk.shape for walk in walks] == [(10, 4, 4, 1)] * 2
        return names, walks[0][[0, -1], 0, 0, 0]

    names, sums = ends(numbers=("c", "1"))
    assert names == ("the mean of c", "the mean of b")
    np.testing.assert_allclose(sums, [latents_of[2::3].mean(0).sum(), latents_of[1::3].mean(0).sum()], rtol=1e-5)
    names, sums = ends(images=(12, 7))
    assert names == ("image 12", "image 7")
    np.testing.assert_allclose(sums, latents_of[[12, 7]].sum(1), rtol=1e-6)
    with pytest.raises(InputError, match=r"--numbers: d: no such class among the test images; choices: a, b, c$"):
        ends(numbers=("a", "d"))
    with pytest.raises(InputError, match=r"--images=0,50: the test images are 0 to 49"):
        ends(images=(0, 50))


def test_a_figure_that_does_not_fit_reports_its_requirements():
    from vae_jax.artifacts.figures import FIGURES

    wanted = {
        name: FIGURES[name] for name in ("samples", "manifold", "traversal", "kl_per_dimension", "qq", "animation")
    }
    needs = {drawn.name: drawn.lacks for drawn in draw_figures(make_source()[0], wanted)}
    assert set(needs) == set(wanted)
    assert all("prior" in needs[name] for name in set(wanted) - {"animation"})
    assert "latent_every_steps" in needs["animation"]
    source, _ = make_source(latent_dim=3, sample=lambda n, seed: np.zeros((n, 4, 4, 1), np.float32))
    (found,) = draw_figures(source, {"manifold": FIGURES["manifold"]})
    assert "latent_dim=2" in found.lacks
    source, _ = make_source(latent_dim=2, sample=lambda n, seed: np.zeros((n, 4, 4, 1), np.float32))
    (found,) = draw_figures(source, {"manifold": FIGURES["manifold"]})
    assert "N(0, I)" in found.lacks
    (found,) = draw_figures(source._replace(standard_prior=True), {"manifold": FIGURES["manifold"]})
    assert not found.lacks


def test_a_film_is_projected_on_the_axes_of_its_last_frame():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(3, 20, 5)).astype(np.float32)
    source, _ = make_source(film=lambda: ([0, 5, 10], frames, np.arange(20)))
    figures = {
        "film": lambda film_steps, film_points, film_labels, film_axis_names: (film_steps, film_points, film_labels)
    }
    steps, points, labels = draw(source, figures)["film"]
    assert steps == [0, 5, 10]
    np.testing.assert_array_equal(labels, source.test.labels[:20])
    (centre, axes), _ = geometry.principal_axes(frames[-1])
    np.testing.assert_allclose(points, (frames - centre) @ axes, atol=1e-5)


@pytest.mark.slow
def test_tsne_takes_the_requested_number_of_points_and_keeps_neighbours_together(monkeypatch):
    monkeypatch.setattr(tsne, "ITERATIONS", 300)
    told = []
    source, _ = make_source(size=60, request=arrays.Request(points=40), progress=told.append)
    near: Any = (source.test.labels * 100)[:, None] + np.random.default_rng(0).normal(size=(60, 5))
    source = source._replace(latents=lambda x: near.astype(np.float32))
    figures = {"tsne": lambda tsne_points, tsne_labels, tsne_images: (tsne_points, tsne_labels, tsne_images)}
    points, labels, images = draw(source, figures)["tsne"]
    assert points.shape == (40, 2)
    assert images.shape == (40, 4, 4, 1)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(40)
    np.testing.assert_array_equal(labels[distances.argmin(1)], labels)
    assert "iteration  300 of 300" in told[-1]


def test_every_argument_of_a_figure_is_in_arrays():
    import inspect

    from vae_jax.artifacts.figures import FIGURES

    for name, figure in FIGURES.items():
        unknown = set(inspect.signature(figure).parameters) - set(arrays.ARRAYS)
        assert not unknown, pytest.fail(f"{name} needs {unknown}, which ARRAYS does not have")


def test_a_failing_figure_does_not_stop_the_others(tmp_path, monkeypatch):
    from vae_jax.artifacts.figures import FIGURES

    def broken(latents):
        raise ZeroDivisionError("no such figure")

    only = {"broken": broken, "unwritable": lambda latents: object(), "scatter": FIGURES["latent_scatter"]}
    monkeypatch.setattr("vae_jax.artifacts.figures.FIGURES", only)
    one, two, three = write_figures(make_source()[0], only, tmp_path)
    assert (str(one.error), one.paths) == ("no such figure", ())
    assert two.error is not None
    assert (three.error, three.paths) == (None, (tmp_path / "scatter.png",))
    assert [path.name for path in tmp_path.iterdir()] == ["scatter.png"]


def test_class_names_that_no_font_can_show_are_printed_once_and_numbers_in_the_figures(tmp_path, monkeypatch):
    said, drawn = [], []
    monkeypatch.setattr("vae_jax.artifacts.figures.shown_names", lambda names: (("0", "1", "2"), f"0 = {names[0]}"))
    monkeypatch.setattr(
        "vae_jax.artifacts.figures.FIGURES", dict.fromkeys("ab", lambda class_names: drawn.append(class_names))
    )
    list(write_figures(make_source(progress=said.append)[0], "ab", tmp_path))
    assert said == ["0 = a"]
    assert drawn == [("0", "1", "2")] * 2


def test_pages_that_a_figure_no_longer_has_are_removed(tmp_path, monkeypatch):
    pages = 11

    def several(class_names):
        return [Figure(figsize=(1, 1))] * pages

    monkeypatch.setattr("vae_jax.artifacts.figures.FIGURES", {"qq": several})
    for kept in ("qq_old.png", "qq_1.txt", "walk_1.png", "qq_2024.png"):
        (tmp_path / kept).touch()
    for pages in (11, 2, 1):
        list(write_figures(make_source()[0], ["qq"], tmp_path))
        names = ["qq.png"] if pages == 1 else [f"qq_{i + 1}.png" for i in range(pages)]
        assert {path.name for path in tmp_path.iterdir()} == {
            "qq_old.png",
            "qq_1.txt",
            "walk_1.png",
            "qq_2024.png",
            *names,
        }


def test_a_figure_that_cannot_be_written_is_skipped_and_a_full_disk_is_an_error(tmp_path, monkeypatch):
    from vae_jax.artifacts.figures import FIGURES

    only = {"first": FIGURES["latent_scatter"], "second": FIGURES["latent_scatter"]}
    monkeypatch.setattr("vae_jax.artifacts.figures.FIGURES", only)
    (tmp_path / "first.png").mkdir()
    first, second = write_figures(make_source()[0], only, tmp_path)
    assert isinstance(first.error, OSError)
    assert (second.error, second.paths) == (None, (tmp_path / "second.png",))

    def full(path, content):
        raise TrainingError(f"{path}: cannot be written, the disk is full")

    monkeypatch.setattr("vae_jax.artifacts.draw.disk.write", full)
    with pytest.raises(TrainingError, match="the disk is full"):
        list(write_figures(make_source()[0], only, tmp_path))
