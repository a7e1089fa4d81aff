"""Tests of codebooks in a row: each replaces what the ones before it left, and is set as if it were alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.models.quantizers import make_quantizer

K, D, R = 5, 3, 3


@pytest.fixture
def residual(make_config):
    """Return a function (changes of the config) -> a quantizer with R codebooks of K vectors."""

    def make(**changes):
        own = {"residual__codes": K, "residual__levels": R, "latent_dim": D} | changes
        return make_quantizer(make_config(model="quantized", quantizer="residual", **own))

    return make


@pytest.fixture
def vectors(key):
    return 0.5 + jax.random.normal(key, (20, 4, D))


def init(quantizer, vectors):
    return jax.jit(quantizer.init)(jax.random.key(4), vectors.reshape(-1, D))


def by_hand(params, vectors):
    """Return (what each level replaces, the indices, the sum of the codes), from float64 distances."""
    left, lefts, indices = np.asarray(vectors, np.float64), [], []
    for codebook in np.asarray(params["codebook"], np.float64):
        lefts.append(left)
        indices.append(np.square(left[:, :, None] - codebook).sum(axis=-1).argmin(axis=-1))
        left = left - codebook[indices[-1]]
    return lefts, indices, np.asarray(vectors) - left


def penalty_and_gradients(quantizer, params, vectors):
    def mean(params, vectors):
        return quantizer.penalty(params, vectors, quantizer.quantize(params, vectors)).mean()

    return jax.jit(jax.value_and_grad(mean, (0, 1)))(params, vectors)


def test_each_level_has_the_code_nearest_to_what_is_left_and_the_vectors_are_their_sums(residual, vectors):
    quantizer = residual()
    params = init(quantizer, vectors)
    z = jax.jit(quantizer.quantize)(params, vectors)
    _, indices, sums = by_hand(params, vectors)
    assert z.indices.shape == (20, 4 * R)
    np.testing.assert_array_equal(z.indices.reshape(20, 4, R), np.stack(indices, axis=-1))
    np.testing.assert_allclose(z.vectors, sums, atol=1e-6)
    np.testing.assert_array_equal(quantizer.vectors(params, z.indices), z.vectors)
    assert (np.square(z.vectors - vectors).sum(axis=-1) < np.square(vectors).sum(axis=-1)).mean() > 0.9
    jacobian = jax.jit(jax.jacobian(lambda v: quantizer.quantize(params, v).vectors))(vectors[:1])
    np.testing.assert_array_equal(jacobian.reshape(4 * D, 4 * D), np.eye(4 * D))


def test_the_penalty_and_its_gradients_are_those_of_all_levels(residual, vectors):
    quantizer = residual(vq__commitment=0.7)
    params = init(quantizer, vectors)
    lefts, indices, _ = by_hand(params, vectors)
    codes = [np.asarray(book, np.float64)[rows] for book, rows in zip(params["codebook"], indices, strict=True)]
    distances = [left - code for left, code in zip(lefts, codes, strict=True)]
    value, (grads, of_vectors) = penalty_and_gradients(quantizer, params, vectors)
    expected = sum(np.square(one).sum() for one in distances)
    np.testing.assert_allclose(value, 0.7 * expected / 20, rtol=1e-5)
    np.testing.assert_allclose(of_vectors, 2 * 0.7 * np.sum(distances, axis=0) / 20, rtol=1e-4, atol=1e-6)
    assert not grads["codebook"].any()
    for r in range(R):
        counts = np.bincount(indices[r].ravel(), minlength=K) / 20
        np.testing.assert_allclose(grads["counts"][r], counts, rtol=1e-6)
        sums = np.stack([lefts[r][indices[r] == k].sum(axis=0) for k in range(K)]) / 20
        np.testing.assert_allclose(grads["sums"][r], sums, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_one_level_is_a_codebook_of_vq(residual, make_config, vectors, key):
    one = residual(residual__levels=1)
    vq = make_quantizer(make_config(model="quantized", latent_dim=D, vq__codes=K))
    params = init(one, vectors)
    alone = jax.tree.map(lambda leaf: leaf[0], params)
    jax.tree.map(np.testing.assert_array_equal, one.quantize(params, vectors), vq.quantize(alone, vectors))
    value, (grads, of_vectors) = penalty_and_gradients(one, params, vectors)
    vq_value, (vq_grads, vq_of_vectors) = penalty_and_gradients(vq, alone, vectors)
    np.testing.assert_allclose(value, vq_value, rtol=1e-6)
    np.testing.assert_allclose(of_vectors, vq_of_vectors, rtol=1e-5, atol=1e-7)
    assert vq.refit is not None
    after = jax.jit(one.refit)(key, params, grads, jnp.int32(3))
    (own,) = jax.random.split(key, 1)
    vq_after = jax.jit(vq.refit)(own, alone, vq_grads, jnp.int32(3))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-5, atol=1e-6), after, vq_after)


@pytest.mark.slow
def test_without_memory_or_smoothing_every_level_takes_a_step_of_k_means(residual, vectors, key):
    quantizer = residual(vq__decay=0.0, vq__eps=0.0, vq__dead_below=0.0)
    params = init(quantizer, vectors)
    _, (grads, _) = penalty_and_gradients(quantizer, params, vectors)
    after = jax.jit(quantizer.refit)(key, params, grads, jnp.int32(5))["codebook"]
    lefts, indices, _ = by_hand(params, vectors)
    for r in range(R):
        for k in np.unique(indices[r]):
            np.testing.assert_allclose(after[r, k], lefts[r][indices[r] == k].mean(axis=0), atol=1e-5)


def test_permuting_one_codebook_permutes_the_indices_of_its_level_alone(residual, vectors):
    quantizer = residual()
    params = init(quantizer, vectors)
    order = jax.random.permutation(jax.random.key(9), K)
    permuted = jax.tree.map(lambda leaf: leaf.at[1].set(leaf[1][order]), params)
    quantize = jax.jit(quantizer.quantize)
    z, other = quantize(params, vectors), quantize(permuted, vectors)
    np.testing.assert_array_equal(z.vectors, other.vectors)
    one, two = (found.indices.reshape(20, 4, R) for found in (z, other))
    np.testing.assert_array_equal(one[..., ::2], two[..., ::2])
    np.testing.assert_array_equal(one[..., 1], order[two[..., 1]])


def test_codebooks_start_at_what_the_ones_before_them_left(residual, vectors):
    params = init(residual(), vectors)
    flat, first = np.asarray(vectors).reshape(-1, D), np.asarray(params["codebook"])
    left = flat - first[0][np.square(flat[:, None] - first[0]).sum(axis=-1).argmin(axis=1)]
    assert all(np.abs(left - row).max(axis=1).min() < 1e-6 for row in first[1])
    drawn = residual().init(jax.random.key(4), jnp.zeros((0, D)))
    assert jax.tree.map(jnp.shape, drawn) == {"codebook": (R, K, D), "counts": (R, K), "sums": (R, K, D)}
