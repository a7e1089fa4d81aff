"""Tests of the gradients past a replacement: exactly the code, the identity, and lambda R with an orthogonal R."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.slow import fast_if

from vae_jax.models.quantizers.replacement import rotate, rotated, straight_through, unit

VECTORS = jnp.array([[3.0, 4.0, 0.0], [0.01, -0.02, 0.005], [-7.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
CODES = {
    "another": jnp.array([[1.0, 2.0, -2.0], [1.0, 0.3, 0.1], [0.2, 0.2, 0.2], [-3.0, 0.0, 1.0]]),
    "parallel": 0.3 * VECTORS,
    "opposite": -1.7 * VECTORS,
    "almost opposite": -1.7 * VECTORS + 1e-5 * jnp.array([[4.0, -3.0, 1.0]]),
    "rather opposite": -1.7 * VECTORS + 2e-2 * jnp.array([[4.0, -3.0, 1.0]]),
    "an axis": jnp.eye(3)[jnp.array([0, 1, 2, 0])],
}


@functools.cache
def jacobian_of(replaced):
    return jax.jit(jax.jacobian(lambda vectors, codes: replaced(vectors[None], codes[None])[0]))


def jacobians(replaced, vectors, codes):
    """Return the Jacobian of each replaced vector for itself, with all others' 0."""
    full = np.asarray(jacobian_of(replaced)(vectors, codes))
    own = np.array([full[i, :, i] for i in range(len(vectors))])
    assert np.abs(full).sum() == pytest.approx(np.abs(own).sum())
    return own


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES)
def test_a_rotations_jacobian_is_a_scaled_rotation_that_turns_the_vector_into_its_code(codes):
    np.testing.assert_array_equal(rotated(VECTORS[None], codes[None])[0], codes)
    lengths, sizes = (np.linalg.norm(np.asarray(one, np.float64), axis=1) for one in (codes, VECTORS))
    found = jacobians(rotated, VECTORS, codes)
    for jacobian, vector, code, scale in zip(found, np.asarray(VECTORS), codes, lengths / sizes, strict=True):
        rotation = jacobian / scale
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-5)
        assert np.linalg.det(rotation) == pytest.approx(1, abs=2e-5)
        np.testing.assert_allclose(jacobian @ vector, code, atol=5e-3 * float(np.linalg.norm(code)))


def test_a_rotation_leaves_what_is_perpendicular_to_both_directions_and_turns_by_their_angle():
    u, e = unit(jnp.array([[1.0, 2.0, 2.0]])), unit(jnp.array([[-2.0, 1.0, 0.5]]))
    normal = np.cross(u, e)
    rotation = np.asarray(jax.jit(jax.vmap(lambda x: rotate(u, e, x[None])[0]))(jnp.eye(3))).T
    np.testing.assert_allclose(normal @ rotation.T, normal, atol=1e-6)
    np.testing.assert_allclose(u @ rotation.T, e, atol=1e-6)
    assert np.trace(rotation) == pytest.approx(1 + 2 * float((u * e).sum()), abs=1e-6)


@pytest.mark.parametrize("size", fast_if([2, 5], lambda size: size == 5))
def test_opposite_directions_along_every_axis_and_between_them_have_a_rotation(size):
    directions = unit(jnp.concatenate([jnp.eye(size), -jnp.eye(size), jnp.ones((1, size))]))
    rows = jax.vmap(lambda u, x: rotate(u[None], -u[None], x[None])[0], (None, 0))
    for u, rotation in zip(directions, jax.jit(jax.vmap(rows, (0, None)))(directions, jnp.eye(size)), strict=True):
        rotation = np.asarray(rotation).T
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(size), atol=1e-6)
        np.testing.assert_allclose(rotation @ u, -u, atol=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-5)


def test_straight_through_is_the_code_with_the_jacobian_one():
    codes = CODES["another"]
    np.testing.assert_array_equal(straight_through(VECTORS[None], codes[None])[0], codes)
    np.testing.assert_array_equal(jacobians(straight_through, VECTORS, codes), np.eye(3)[None].repeat(4, axis=0))


def test_vectors_and_codes_of_length_zero_have_finite_gradients():
    zero, one = jnp.zeros((1, 3)), jnp.ones((1, 3))
    np.testing.assert_array_equal(jacobians(rotated, zero, one), np.eye(3)[None])
    np.testing.assert_array_equal(jacobians(rotated, one, zero), np.zeros((1, 3, 3)))
    assert np.isfinite(jax.jit(jax.jacobian(unit))(zero)).all()
    np.testing.assert_array_equal(unit(zero), zero)
