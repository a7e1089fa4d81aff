"""Tests of rounding to levels: the nearest code for any number of levels, and a bijection of codes and indices."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.slow import fast_if

from vae_jax.config.registries import REGISTRIES
from vae_jax.models.quantizers import make_quantizer
from vae_jax.models.quantizers.fsq import bounded, code_of, index_of, problems
from vae_jax.models.quantizers.quantizer import MOST_CODES

FAST = (7, 4, 2, 3)
OTHERS = [(2,), (2, 2, 2), (3, 2), (8, 8), (8, 5, 5, 5)]
LEVELS = [FAST, *(pytest.param(levels, marks=pytest.mark.slow) for levels in OTHERS)]


@pytest.mark.parametrize("levels", LEVELS)
def test_indices_and_codes_are_a_bijection_over_all_levels(levels):
    indices = jnp.arange(np.prod(levels), dtype=jnp.int32)[None]
    codes = code_of(indices, levels)
    grid = [np.linspace(-1, 1, size) for size in reversed(levels)]
    expected = np.array(list(itertools.product(*grid)))[:, ::-1]
    np.testing.assert_allclose(codes[0], expected, atol=1e-6)
    np.testing.assert_array_equal(index_of(codes, levels), indices)


@pytest.mark.parametrize("levels", LEVELS)
def test_any_vector_becomes_exactly_the_code_nearest_to_its_bounded_self(make_config, key, levels):
    fsq = make_quantizer(make_config(model="quantized", quantizer="fsq", fsq__levels=levels))
    assert (fsq.width, fsq.num_codes) == (len(levels), np.prod(levels))
    assert fsq.init(key, jnp.zeros((0, len(levels)))) == {}
    vectors = 1.3 * jax.random.normal(key, (400, 20, len(levels)))
    vectors = vectors.at[0, 0].set(50.0).at[0, 1].set(-50.0)
    z = jax.jit(fsq.quantize)({}, vectors)
    codes = np.asarray(code_of(jnp.arange(fsq.num_codes, dtype=jnp.int32)[None], levels))[0]
    np.testing.assert_array_equal(z.vectors, codes[np.asarray(z.indices)])
    np.testing.assert_array_equal(fsq.vectors({}, z.indices), z.vectors)
    held = np.asarray(bounded(vectors, levels), np.float64)
    steps = 1 / (np.array(levels) - 1)
    assert (np.abs(held - z.vectors) <= steps + 1e-5).all()
    for d, size in enumerate(levels):
        own = np.linspace(-1, 1, size)
        moved = np.abs(held[..., d, None] - own).min(axis=-1)
        np.testing.assert_allclose(np.abs(held[..., d] - z.vectors[..., d]), moved, atol=1e-5)
    assert len(np.unique(z.indices)) > 0.9 * fsq.num_codes


@pytest.mark.parametrize("size", fast_if(range(2, 10), lambda size: size == 4))
def test_every_level_has_an_equal_share_of_the_range_and_all_are_symmetric(size):
    even = jnp.linspace(-1, 1, 40 * size + 1)[:-1] + 1 / (40 * size)
    held = size / (size - 1) * even[None, :, None]
    counts = np.bincount(index_of(held, (size,)).ravel(), minlength=size)
    np.testing.assert_array_equal(counts, np.full(size, 40))
    x = jnp.linspace(0.013, 3.1, 57)[None, :, None]
    held = bounded(jnp.concatenate([x, -x]), (size,))
    np.testing.assert_array_equal(held[0], -held[1])
    up, down = index_of(held, (size,))
    np.testing.assert_array_equal(up + down, np.full(57, size - 1))


def test_two_levels_are_the_sign():
    x = jnp.array([-3.0, -1e-3, 1e-3, 3.0])[None, :, None]
    np.testing.assert_array_equal(code_of(index_of(bounded(x, (2,)), (2,)), (2,))[0, :, 0], [-1, -1, 1, 1])


def test_the_gradient_passes_straight_through_the_rounding(make_config, key):
    fsq = make_quantizer(make_config(model="quantized", quantizer="fsq", fsq__levels=(2, 5)))
    vectors = jax.random.normal(key, (1, 3, 2))
    found = jax.jit(jax.jacobian(lambda v: fsq.quantize({}, v).vectors))(vectors)
    np.testing.assert_allclose(found, jax.jit(jax.jacobian(lambda v: bounded(v, (2, 5))))(vectors), rtol=1e-6)
    np.testing.assert_allclose(np.einsum("bidbid->bid", found)[0, :, 0], 2 / np.cosh(vectors[0, :, 0]) ** 2, rtol=1e-4)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), r"fsq.levels=\(\): a vector needs one number or more"),
        ((2**16, 2**16), r"fsq.levels=\(65536, 65536\): 4,294,967,296 codes; choices: .* at most 1,048,576"),
        ((MOST_CODES, 2), "2,097,152 codes"),
    ],
)
def test_too_few_and_too_many_levels_are_refused(levels, message):
    (line,) = problems({"fsq.levels": levels})
    assert re.search(message, line)
    assert problems({"fsq.levels": (MOST_CODES,)}) == []
    assert REGISTRIES["quantizer"]["fsq"].problems is problems
