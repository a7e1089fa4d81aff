"""Tests of sign codes: their laws by brute force, and a batch entropy that couples no images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.slow import fast_if

from vae_jax.models.quantizers import make_quantizer
from vae_jax.models.quantizers.lfq import UNIFORM, binary_entropy, code_of, expectation, index_of, law

ONLY = {"lfq__commitment": 0.0, "lfq__entropy": 1.0}


@pytest.fixture
def lfq(make_config):
    """Return a function (bits, changes of the config) -> a quantizer."""
    return lambda bits, **changes: make_quantizer(
        make_config(model="quantized", quantizer="lfq", lfq__bits=bits, **changes)
    )


def laws(vectors, temperature=1.0):
    """Return exp(-|v - c|^2 / temperature), normalised over all codes c: [B, T, K] in float64."""
    vectors = np.asarray(vectors, np.float64)
    size = vectors.shape[-1]
    codes = np.array([[2 * (k >> d & 1) - 1 for d in range(size)] for k in range(2**size)])
    logits = -np.square(vectors[..., None, :] - codes).sum(axis=-1) / temperature
    logits -= logits.max(axis=-1, keepdims=True)
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def entropy(law):
    return -(law * np.log(np.maximum(law, 1e-300))).sum(axis=-1)


def gradients(quantizer, params, vectors):
    """Return the gradients of the mean penalty for the parameters and for the vectors."""

    def mean(params, vectors):
        return quantizer.penalty(params, vectors, quantizer.quantize(params, vectors)).mean()

    return jax.jit(jax.grad(mean, (0, 1)))(params, vectors)


@pytest.mark.parametrize("size", fast_if([1, 2, 5, 10], lambda size: size == 5))
def test_the_law_and_its_entropy_are_those_of_brute_force(key, size):
    vectors = jax.random.normal(key, (3, 2, size))
    expected = laws(vectors, 0.7)
    logits = 4 * vectors / 0.7
    np.testing.assert_allclose(jax.jit(law)(logits), expected, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(binary_entropy(logits).sum(axis=-1), entropy(expected), rtol=1e-5, atol=1e-6)
    values = np.arange(2.0**size)
    np.testing.assert_allclose(
        jax.jit(expectation)(logits, jnp.array(values, jnp.float32)), (expected * values).sum(axis=(1, 2)), rtol=1e-4
    )


def test_entropies_run_from_0_to_d_log_2():
    ends = binary_entropy(jnp.array([-80.0, -1e4, 80.0, 1e4, 0.0]))
    np.testing.assert_allclose(ends, [0, 0, 0, 0, np.log(2)], atol=1e-6)


@pytest.mark.parametrize("size", fast_if([1, 6, 12], lambda size: size == 6))
def test_signs_are_the_nearest_codes_and_a_bijection_with_their_indices(lfq, key, size):
    quantizer = lfq(size)
    indices = jnp.arange(2**size, dtype=jnp.int32)[None]
    np.testing.assert_array_equal(index_of(code_of(indices, size)), indices)
    vectors = jax.random.normal(key, (5, 4, size))
    z = jax.jit(quantizer.quantize)({}, vectors)
    np.testing.assert_array_equal(z.vectors, np.sign(vectors))
    np.testing.assert_array_equal(z.vectors, quantizer.vectors({}, z.indices))
    np.testing.assert_array_equal(z.indices, laws(vectors).argmax(axis=-1))
    jacobian = jax.jit(jax.jacobian(lambda v: quantizer.quantize({}, v).vectors))(vectors[:1])
    np.testing.assert_array_equal(jacobian.reshape(4 * size, 4 * size), np.eye(4 * size))


def test_flipping_one_number_permutes_the_codes_and_nothing_else(lfq, key):
    quantizer, vectors = lfq(4), jax.random.normal(key, (5, 4, 4))
    params = quantizer.init(key, jnp.zeros((0, 4)))
    flipped = vectors.at[..., 2].multiply(-1)
    of = jax.jit(lambda v: (quantizer.quantize(params, v), quantizer.penalty(params, v, quantizer.quantize(params, v))))
    (z, penalty), (other, of_flipped) = of(vectors), of(flipped)
    np.testing.assert_array_equal(other.indices, z.indices ^ 4)
    np.testing.assert_allclose(of_flipped, penalty, rtol=1e-5)


def test_the_penalty_is_a_sum_over_an_image_in_nats(lfq, key):
    quantizer = lfq(3, lfq__entropy=0.3, lfq__diversity=0.8, lfq__temperature=2.0, lfq__commitment=0.7)
    vectors = jax.random.normal(key, (5, 4, 3))
    average = np.random.default_rng(0).dirichlet(np.ones(8))
    penalty = jax.jit(lambda params, v: quantizer.penalty(params, v, quantizer.quantize({}, v)))
    found = penalty({"average": jnp.array(average, jnp.float32)}, vectors)
    p, smoothed = laws(vectors, 2.0), (1 - UNIFORM) * average + UNIFORM / 8
    bracket = entropy(p) + 0.8 * (p * np.log(smoothed)).sum(axis=-1)
    commitment = np.square(np.asarray(vectors) - np.sign(vectors)).sum(axis=(1, 2))
    np.testing.assert_allclose(found, 0.3 * bracket.sum(axis=1) + 0.7 * commitment, rtol=1e-5)


def test_with_the_batchs_own_average_values_and_gradients_are_those_of_the_batch_entropy(lfq, key):
    quantizer, vectors = lfq(4, **ONLY), 0.5 * jax.random.normal(key, (30, 3, 4))
    mean = law(4 * vectors).mean(axis=(0, 1))
    params = {"average": (mean - UNIFORM / 16) / (1 - UNIFORM)}  # so that it is the mean after smoothing

    def coupled(vectors):
        logits = 4 * vectors
        both = law(logits).mean(axis=(0, 1))
        return 3 * (binary_entropy(logits).sum(axis=-1).mean() + (both * jnp.log(both)).sum())

    z = quantizer.quantize(params, vectors)
    penalty = jax.jit(quantizer.penalty)(params, vectors, z)
    np.testing.assert_allclose(penalty.mean(), jax.jit(coupled)(vectors), rtol=1e-4)
    _, found = gradients(quantizer, params, vectors)
    np.testing.assert_allclose(found, jax.jit(jax.grad(coupled))(vectors), rtol=1e-3, atol=1e-6)


def test_the_average_moves_to_the_mean_law_of_the_batch_and_no_image_feels_another(lfq, key):
    quantizer, vectors = lfq(4, lfq__decay=0.8), jax.random.normal(key, (6, 3, 4))
    params = quantizer.init(key, jnp.zeros((0, 4)))
    np.testing.assert_allclose(params["average"], 1 / 16)
    grads, _ = gradients(quantizer, params, vectors)
    mean = laws(vectors).mean(axis=(0, 1))
    np.testing.assert_allclose(grads["average"], mean, rtol=1e-4, atol=1e-7)
    refit = jax.jit(quantizer.refit)
    for step, rate in ((0, 1.0), (1, 0.5), (100, 0.2)):
        after = refit(key, params, grads, jnp.int32(step))["average"]
        np.testing.assert_allclose(after, 1 / 16 + rate * (mean - 1 / 16), rtol=1e-4, atol=1e-7)
    penalty = jax.jit(lambda v: quantizer.penalty(params, v, quantizer.quantize(params, v)))
    np.testing.assert_allclose(penalty(vectors)[:1], penalty(vectors[:1]), rtol=1e-6)


@pytest.mark.slow
def test_the_entropies_alone_spread_a_cluster_over_all_codes(lfq, key):
    """Steps of gradient descent on vectors near one code, with the average that follows them."""
    quantizer = lfq(3, **ONLY)
    vectors = 0.2 + 0.1 * jax.random.normal(key, (200, 2, 3))
    params = quantizer.init(key, jnp.zeros((0, 3)))
    assert len(np.unique(quantizer.quantize(params, vectors).indices)) < 8

    @jax.jit
    def move(params, vectors, step):
        own, grads = gradients(quantizer, params, vectors)
        return quantizer.refit(key, params, own, step), vectors - 20 * 0.1 * grads

    for step in range(300):
        params, vectors = move(params, vectors, step)
    counts = np.bincount(quantizer.quantize(params, vectors).indices.ravel(), minlength=8)
    assert entropy(counts / 400) > 0.9 * np.log(8)
    assert entropy(laws(vectors)).mean() < 0.3
