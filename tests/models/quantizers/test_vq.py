"""Tests of the codebook: nearest codes, straight-through gradients, averages that are centroids, and dead codes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.models.quantizers import make_quantizer
from vae_jax.models.quantizers.codebook import split_most_used, statistics

K, D = 6, 3


@pytest.fixture
def vectors(key):
    """Return the vectors of 20 images with 4 vectors each."""
    return 0.5 + jax.random.normal(key, (20, 4, D))


@pytest.fixture
def vq(make_config):
    """Return a function (changes of the config) -> a quantizer with K codes of D numbers."""
    return lambda **changes: make_quantizer(make_config(model="quantized", latent_dim=D, vq__codes=K, **changes))


def init(quantizer, vectors, seed=4):
    return quantizer.init(jax.random.key(seed), vectors.reshape(-1, D))


def distances(params, vectors):
    codebook = np.asarray(params["codebook"], np.float64)
    return np.square(np.asarray(vectors, np.float64)[:, :, None] - codebook).sum(axis=-1)


def penalty_and_gradient(quantizer, params, vectors):
    """Return the mean penalty over the images, and its gradient for the quantizer's parameters."""

    def mean(params):
        return quantizer.penalty(params, vectors, quantizer.quantize(params, vectors)).mean()

    return jax.value_and_grad(mean)(params)


def test_the_codes_are_the_nearest_ones_and_the_vectors_are_exactly_theirs(vq, vectors):
    params = init(vq(), vectors)
    z = vq().quantize(params, vectors)
    np.testing.assert_array_equal(z.indices, distances(params, vectors).argmin(axis=-1))
    np.testing.assert_array_equal(z.vectors, params["codebook"][z.indices])
    np.testing.assert_array_equal(vq().vectors(params, z.indices), z.vectors)
    assert len(np.unique(z.indices)) > 2


def test_the_gradient_passes_straight_through_to_the_vectors_and_none_to_the_codebook(vq, vectors):
    quantizer, few = vq(), vectors[:1]
    params = init(quantizer, vectors)
    jacobian = jax.jacobian(lambda v: quantizer.quantize(params, v).vectors)(few)
    np.testing.assert_array_equal(jacobian.reshape(4 * D, 4 * D), np.eye(4 * D))
    _, grads = penalty_and_gradient(quantizer, params, vectors)
    assert not grads["codebook"].any()


@pytest.mark.slow
def test_permuting_the_rows_of_the_codebook_permutes_the_indices_and_nothing_else(vq, vectors):
    quantizer = vq(vq__dead_below=0.0)
    params = init(quantizer, vectors)
    order = jax.random.permutation(jax.random.key(9), K)
    permuted = jax.tree.map(lambda a: a[order], params)
    z, other = quantizer.quantize(params, vectors), quantizer.quantize(permuted, vectors)
    np.testing.assert_array_equal(order[other.indices], z.indices)
    np.testing.assert_array_equal(other.vectors, z.vectors)
    assert (other.indices != z.indices).any()
    (value, grads), (of_permuted, permuted_grads) = (
        penalty_and_gradient(quantizer, p, vectors) for p in (params, permuted)
    )
    assert value == of_permuted
    after = quantizer.refit(jax.random.key(0), params, grads, jnp.int32(3))
    again = quantizer.refit(jax.random.key(0), permuted, permuted_grads, jnp.int32(3))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[order], b, rtol=1e-5, atol=1e-6), after, again)


def test_the_commitment_is_a_sum_over_an_image_in_nats(vq, vectors):
    quantizer = vq(vq__commitment=0.7)
    params = init(quantizer, vectors)
    penalty = quantizer.penalty(params, vectors, quantizer.quantize(params, vectors))
    np.testing.assert_allclose(penalty, 0.7 * distances(params, vectors).min(axis=-1).sum(axis=-1), rtol=1e-5)


def test_the_statistics_are_worth_nothing_and_their_gradients_are_counts_and_sums_per_image(vq, vectors):
    quantizer = vq()
    params = init(quantizer, vectors) | {"counts": jnp.arange(6.0), "sums": jnp.ones((K, D))}
    z = quantizer.quantize(params, vectors)
    np.testing.assert_array_equal(statistics(params, vectors, z.indices), np.zeros(20))
    _, grads = penalty_and_gradient(quantizer, params, vectors)
    rows, flat = z.indices.ravel(), np.asarray(vectors, np.float64).reshape(-1, D)
    counts = np.bincount(rows, minlength=K) / 20
    sums = np.stack([flat[rows == k].sum(axis=0) for k in range(K)]) / 20
    np.testing.assert_allclose(grads["counts"], counts, rtol=1e-6)
    np.testing.assert_allclose(grads["sums"], sums, rtol=1e-5, atol=1e-6)
    assert counts.sum() == pytest.approx(4)


def test_without_memory_or_smoothing_a_refit_is_a_step_of_k_means(vq, vectors):
    quantizer = vq(vq__decay=0.0, vq__eps=0.0, vq__dead_below=0.0)
    params = init(quantizer, vectors)
    params["codebook"] = params["codebook"].at[2].set(50.0)  # without members
    _, grads = penalty_and_gradient(quantizer, params, vectors)
    rows, flat = quantizer.quantize(params, vectors).indices.ravel(), np.asarray(vectors, np.float64).reshape(-1, D)
    after = quantizer.refit(jax.random.key(0), params, grads, jnp.int32(5))
    members = np.unique(rows)
    assert 2 not in members
    centroids = np.stack([flat[rows == k].mean(axis=0) for k in members])
    np.testing.assert_allclose(after["codebook"][members], centroids, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(after["codebook"][2], params["codebook"][2])


def test_averages_decay_by_the_step_and_counts_are_smoothed(vq, vectors):
    quantizer = vq(vq__decay=0.9, vq__eps=0.3, vq__dead_below=0.0)
    params = init(quantizer, vectors) | {"counts": jnp.full(K, 0.5), "sums": jnp.ones((K, D))}
    _, grads = penalty_and_gradient(quantizer, params, vectors)
    early, late = (quantizer.refit(jax.random.key(0), params, grads, jnp.int32(step)) for step in (1, 1000))
    for after, rate in ((early, 0.5), (late, 0.1)):
        counts = (1 - rate) * 0.5 + rate * np.asarray(grads["counts"], np.float64)
        sums = (1 - rate) + rate * np.asarray(grads["sums"], np.float64)
        smoothed = (counts + 0.3) / (counts.sum() + K * 0.3) * counts.sum()
        np.testing.assert_allclose(after["counts"], counts, rtol=1e-5)
        np.testing.assert_allclose(after["codebook"], sums / smoothed[:, None], rtol=1e-4)


def test_dead_codes_are_split_off_the_most_used_ones_in_turn(key):
    counts = jnp.array([0.0, 5.0, 3.0, 0.001, 1.0, 2.0])
    codebook = jnp.arange(18.0).reshape(K, D)
    params = {"codebook": codebook, "counts": counts, "sums": codebook * counts[:, None]}
    after = split_most_used(key, params, 0.1)
    np.testing.assert_allclose(after["counts"], [2.5, 2.5, 1.5, 1.5, 1.0, 2.0])
    np.testing.assert_array_equal(after["codebook"][np.array([1, 2, 4, 5])], codebook[np.array([1, 2, 4, 5])])
    near = np.abs(after["codebook"] - codebook[np.array([1, 1, 2, 2, 4, 5])]).max(axis=1)
    assert (near[[0, 3]] > 0).all()
    assert (near < 0.05 * codebook.std()).all()
    np.testing.assert_allclose(after["sums"], after["codebook"] * after["counts"][:, None], rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, split_most_used(key, params, 0.0), params)


def test_one_code_that_is_used_alone_is_split_into_all_others(vq, key):
    """The codes of one cluster share it after some steps, so a codebook of any scale comes to be used."""
    quantizer = vq(vq__decay=0.9)
    vectors = 100 + jax.random.normal(key, (64, 4, D))
    params = quantizer.init(key, jnp.zeros((0, D)))

    @jax.jit
    def refit(params, step):
        _, grads = penalty_and_gradient(quantizer, params, vectors)
        return quantizer.refit(jax.random.fold_in(key, step), params, grads, step)

    assert len(np.unique(quantizer.quantize(params, vectors).indices)) < K
    for step in range(60):
        params = refit(params, step)
    counts = np.bincount(quantizer.quantize(params, vectors).indices.ravel(), minlength=K)
    assert counts.min() > 10
    assert distances(params, vectors).min(axis=-1).mean() < 0.6 * D


def test_the_codebook_starts_at_vectors_of_images(vq, vectors):
    found = init(vq(), vectors)["codebook"]
    flat = np.asarray(vectors).reshape(-1, D)
    at = [int(np.flatnonzero((flat == row).all(axis=1))[0]) for row in np.asarray(found)]
    assert len(set(at)) == K
    assert vq().traits == {"sample"}
    assert init(vq(), vectors[:1, :2])["codebook"].shape == (K, D)


def test_a_gradient_codebook_learns_from_the_distance_alone_and_its_code_pulls_both_ways(vq, vectors):
    quantizer = vq(vq__codebook="gradient", vq__commitment=0.7)
    params = init(quantizer, vectors)
    assert (params.keys(), quantizer.refit) == ({"codebook"}, None)
    value, grads = penalty_and_gradient(quantizer, params, vectors)
    nearest = distances(params, vectors)
    np.testing.assert_allclose(value, 1.7 * nearest.min(axis=-1).sum(axis=-1).mean(), rtol=1e-5)
    rows, flat = nearest.argmin(axis=-1).ravel(), np.asarray(vectors, np.float64).reshape(-1, D)
    codebook = np.asarray(params["codebook"], np.float64)
    expected = [2 * (codebook[k] - flat[rows == k]).sum(axis=0) / 20 for k in range(K)]
    np.testing.assert_allclose(grads["codebook"], expected, rtol=1e-4, atol=1e-5)
    z = quantizer.quantize(params, vectors)
    of_vectors = jax.grad(lambda v: quantizer.penalty(params, v, z).sum())(vectors)
    np.testing.assert_allclose(of_vectors, 1.4 * (vectors - z.vectors), rtol=1e-5, atol=1e-6)


def test_codes_by_cosine_have_length_one_and_the_smallest_angle_whatever_the_lengths(vq, vectors):
    quantizer = vq(vq__distance="cosine", vq__eps=0.0, vq__decay=0.0, vq__dead_below=0.0)
    params = init(quantizer, vectors)
    params["codebook"] = params["codebook"] * jnp.linspace(0.2, 3, K)[:, None]
    z = quantizer.quantize(params, 5 * vectors)
    one, codes = (np.asarray(a, np.float64) for a in (vectors, params["codebook"]))
    cosines = (one @ codes.T) / np.linalg.norm(one, axis=-1)[..., None] / np.linalg.norm(codes, axis=-1)
    np.testing.assert_array_equal(z.indices, cosines.argmax(axis=-1))
    np.testing.assert_allclose(np.linalg.norm(z.vectors, axis=-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(quantizer.vectors(params, z.indices), z.vectors)
    value, grads = penalty_and_gradient(quantizer, params, vectors)
    np.testing.assert_allclose(value, 0.25 * 2 * (1 - cosines.max(axis=-1)).sum(axis=-1).mean(), rtol=1e-4)
    after = quantizer.refit(jax.random.key(0), params, grads, jnp.int32(5))
    units = (one / np.linalg.norm(one, axis=-1, keepdims=True)).reshape(-1, D)
    for k in np.unique(z.indices):  # a step of spherical k-means
        mean = units[z.indices.ravel() == k].mean(axis=0)
        found = np.asarray(quantizer.vectors(after, jnp.full((1, 1), k, jnp.int32)))[0, 0]
        np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)


def test_the_rotation_is_the_gradient_of_a_code_if_it_is_chosen(vq, vectors):
    quantizer, few = vq(vq__gradient="rotation"), vectors[:1]
    params = init(quantizer, vectors)
    z = quantizer.quantize(params, few)
    np.testing.assert_array_equal(z.vectors, params["codebook"][z.indices])
    jacobian = jax.jit(jax.jacobian(lambda v: quantizer.quantize(params, v).vectors))(few)
    for t in range(4):
        own, vector = np.asarray(jacobian[0, t, :, 0, t]), np.asarray(few[0, t])
        scale = float(np.linalg.norm(z.vectors[0, t]) / np.linalg.norm(vector))
        np.testing.assert_allclose(own.T @ own, scale**2 * np.eye(D), atol=1e-5 * scale**2)
        np.testing.assert_allclose(own @ vector, z.vectors[0, t], atol=1e-5)


def test_a_codebook_larger_than_the_sample_starts_with_different_codes(vq, vectors):
    few = vectors[:1, :2]
    found = np.asarray(init(vq(), few)["codebook"])
    assert len(np.unique(found, axis=0)) == K
    away = np.abs(found[:, None] - np.asarray(few).reshape(-1, D)).max(axis=2).min(axis=1)
    assert away.max() < 0.1 * np.asarray(few).std()
