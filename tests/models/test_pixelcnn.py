"""Tests of the gated PixelCNN: its order, its field of view, its normalisation, its draws and its conditions."""

import functools
import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from support.slow import first_fast

from vae_jax.models.networks.gated_stacks import Given
from vae_jax.models.networks.pixelcnn import make_pixelcnn

TINY: dict[str, Any] = {"features": 8, "layers": 2}
SQUARE = np.array(list(itertools.product(range(2), repeat=4)), np.int32).reshape(16, 2, 2, 1)
"""All binary images of 2 x 2."""
PAIRS = SQUARE.reshape(16, 1, 2, 2)
"""All grids of 1 x 2 with two bits at each place."""


def random_params(network, key, scale=0.5):
    """Return params far from the initial ones, whose last layer is 0."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(network.init, key)
    return jax.tree.map(lambda leaf: jnp.asarray(scale * rng.normal(size=leaf.shape), jnp.float32), shapes)


class Tiny(NamedTuple):
    """A distribution of four bits as compiled functions."""

    params: Any
    every: Any
    """All 16 grids."""
    logits: Any
    """(params, indices) -> logits."""
    log_p: Any
    """The log-probabilities of all grids."""
    sample: Any
    """(params, key, temperature) -> 4,000 draws."""


@functools.cache
def four_bits(grid, codes) -> Tiny:
    network, every = make_pixelcnn(grid, codes, 2, **TINY), SQUARE.reshape(16, *grid, codes)
    params = random_params(network, jax.random.key(0))
    sample = jax.jit(lambda params, key, temperature: network.sample(params, key, 4000, temperature=temperature))
    log_p = np.float64(jax.jit(network.log_prob)(params, every))
    return Tiny(params, every, jax.jit(network.logits), log_p, sample)


@pytest.mark.parametrize(
    ("grid", "codes", "layers", "kernel"), first_fast([((3, 4), 2, 3, 3), ((4, 6), 1, 2, 3), ((4, 6), 1, 1, 5)])
)
def test_an_index_depends_on_all_before_it_in_reach_and_on_no_other(key, grid, codes, layers, kernel):
    network = make_pixelcnn(grid, codes, 2, 12, layers, kernel)
    params, size = random_params(network, key), math.prod(grid) * codes
    x = jax.random.uniform(key, (1, *grid, codes, 2))

    @jax.jit
    def influences(params, x):
        jacobian = jax.jacrev(lambda x: network.logits(params, x))(x)
        return jnp.abs(jacobian.reshape(size, 2, size, 2)).max(axis=(1, 3))

    found, order = np.asarray(influences(params, x)), np.arange(size)
    row, column = np.divmod(order // codes, grid[1])
    before, reach = order[None, :] < order[:, None], layers * (kernel - 1) // 2
    near = (abs(row[:, None] - row) <= reach) & (abs(column[:, None] - column) <= reach)
    assert not found[~before].any(), "an index depends on itself or on a later one"
    assert (found[before & near] > 0).all(), "a blind spot"
    assert near.all() == (grid == (3, 4))


@pytest.mark.parametrize(("grid", "codes"), [((2, 2), 1), ((1, 2), 2)])
def test_the_probabilities_of_all_grids_sum_to_1_and_are_those_of_one_index_after_another(grid, codes):
    params, every, logits, log_p, _ = four_bits(grid, codes)
    assert np.logaddexp.reduce(log_p) == pytest.approx(0, abs=1e-5)
    assert log_p.std() > 0.3
    flat, sequential = every.reshape(16, 4), np.zeros(16)
    for t in range(4):
        # What comes later is 1 everywhere, and so unlike most grids.
        prefix = np.where(np.arange(4)[None] < t, flat, 1).astype(np.int32).reshape(every.shape)
        own = np.float64(logits(params, prefix)).reshape(16, 4, 2)[:, t]
        sequential += (own - np.logaddexp.reduce(own, axis=1)[:, None])[np.arange(16), flat[:, t]]
    np.testing.assert_allclose(sequential, log_p, rtol=1e-5)


@pytest.mark.slow
def test_at_first_every_index_costs_log_k(key):
    network = make_pixelcnn((3, 5), 2, 7, given=(4, 3), **TINY)
    rng = np.random.default_rng(3)
    indices = jnp.asarray(rng.integers(0, 7, (3, 3, 5, 2)), jnp.int32)
    given = Given(*(jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((3, 4), (3, 3, 5, 3))))
    log_p, logits = jax.jit(
        lambda params: (network.log_prob(params, indices, given), network.logits(params, indices, given))
    )(network.init(key))
    np.testing.assert_allclose(log_p, np.full(3, -30 * math.log(7)), rtol=1e-6)
    np.testing.assert_array_equal(logits, np.zeros((3, 3, 5, 2, 7)))  # equal logits that are not 0 cost the same


@pytest.mark.parametrize("layers", first_fast([2, 1, 3]))
def test_a_place_sees_the_conditions_that_each_stack_has_for_it(key, layers):
    """The last layer has those of the place itself. Each layer before it has those of one place more on the left, by the
    horizontal stack, and of one row more above and one column more on both sides, by the vertical stack."""
    grid, size = (4, 5), 20
    network = make_pixelcnn(grid, 1, 2, 12, layers, 3, given=(0, 2))
    params, x = random_params(network, key), jax.random.randint(key, (1, *grid, 1), 0, 2)

    @jax.jit
    def influences(params, around):
        jacobian = jax.jacrev(lambda around: network.logits(params, x, Given(around=around)))(around)
        return jnp.abs(jacobian.reshape(size, 2, size, 2)).max(axis=(1, 3))

    found = np.asarray(influences(params, jax.random.normal(key, (1, *grid, 2))))
    row, column = np.divmod(np.arange(size), grid[1])
    down, across, reach = row[:, None] - row, abs(column[:, None] - column), layers - 1
    np.testing.assert_array_equal(found > 0, (down >= 0) & (down <= reach) & (across <= reach))


@pytest.mark.parametrize(("grid", "codes"), [((2, 2), 1), ((1, 2), 2)])
@pytest.mark.parametrize("temperature", first_fast([0.5, 1.0]))
def test_draws_are_as_frequent_as_they_are_probable(key, grid, codes, temperature):
    params, every, logits, log_p, sample = four_bits(grid, codes)
    drawn = sample(params, key, jnp.float32(temperature))
    assert drawn.shape == (4000, *grid, codes)
    assert drawn.dtype == jnp.int32
    counts = np.bincount(np.asarray(drawn).reshape(4000, 4) @ [8, 4, 2, 1], minlength=16)
    if temperature != 1:
        cold = np.float64(logits(params, every)) / temperature
        cold -= np.logaddexp.reduce(cold, axis=-1)[..., None]
        log_p = np.take_along_axis(cold, every[..., None], axis=-1).sum(axis=(1, 2, 3, 4))
    expected = np.exp(log_p) / np.exp(log_p).sum() * 4000
    assert expected.max() > 3 * expected.min()
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("grid", "codes", "kernel", "given"), first_fast([((3, 4), 2, 3, (2, 3)), ((4, 3), 1, 5, (0, 1))])
)
def test_a_draw_with_what_layers_keep_is_that_of_whole_passes(key, grid, codes, kernel, given):
    """Draw every index from the logits of a whole pass, with the keys of `sample`."""
    network = make_pixelcnn(grid, codes, 3, 8, 2, kernel, given=given)
    params, logits, rng = random_params(network, key), jax.jit(network.logits), np.random.default_rng(3)
    conditions = ((5, given[0]), (5, *grid, given[1]))
    around = Given(*(jnp.asarray(rng.normal(size=shape), jnp.float32) if shape[-1] else None for shape in conditions))
    expected = np.zeros((5, *grid, codes), np.int32)
    for place in range(math.prod(grid)):
        for r, key_own in enumerate(jax.random.split(jax.random.fold_in(key, place), codes)):
            own = logits(params, jnp.asarray(expected), around)[:, place // grid[1], place % grid[1], r]
            drawn = jax.random.categorical(key_own, own[:, None, None]).ravel()
            expected[:, place // grid[1], place % grid[1], r] = drawn
    assert len(np.unique(expected.reshape(5, -1), axis=0)) == 5
    np.testing.assert_array_equal(jax.jit(lambda: network.sample(params, key, 5, around))(), expected)


def test_a_condition_changes_its_own_row_and_place_and_keeps_the_sum(key):
    network = make_pixelcnn((2, 2), 1, 2, given=(4, 3), **TINY)
    params, logits, rng = random_params(network, key), jax.jit(network.logits), np.random.default_rng(3)
    classes, around = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(1, 2, 2, 3)).astype(np.float32)
    classes, around = np.tile(classes, (16, 1)), np.tile(around, (16, 1, 1, 1))
    before = np.float64(logits(params, SQUARE, Given(jnp.asarray(classes), jnp.asarray(around))))
    own = before - np.logaddexp.reduce(before, axis=-1)[..., None]
    of_every = np.take_along_axis(own, SQUARE[..., None], axis=-1).sum(axis=(1, 2, 3, 4))
    assert np.logaddexp.reduce(of_every) == pytest.approx(0, abs=1e-5)
    for numbers, part in ((classes, (5, 2)), (around, (5, 0, 1, 2))):
        numbers[part] += 1
        after = np.float64(logits(params, SQUARE, Given(jnp.asarray(classes), jnp.asarray(around))))
        changed = np.abs(after - before).max(axis=(-2, -1)) > 0
        assert changed.any(axis=(1, 2)).tolist() == [row == 5 for row in range(16)]
        assert changed[5, 0, 1]
        assert changed[5].all() or numbers is around
        numbers[part] -= 1


@pytest.mark.slow
def test_it_learns_which_image_belongs_to_a_class(key):
    """The classes 0 and 1 have one image each, so p(image given its class) tends to 1, and a draw is that image."""
    network = make_pixelcnn((3, 3), 1, 4, given=(2, 0), **TINY)
    images = jax.random.randint(key, (2, 3, 3, 1), 0, 4)
    given, optimizer = Given(jnp.eye(2)), optax.adam(1e-2)

    def step(state, _):
        params, moments = state
        grads = jax.grad(lambda p: -network.log_prob(p, images, given).mean())(params)
        updates, moments = optimizer.update(grads, moments)
        return (optax.apply_updates(params, updates), moments), None

    params = network.init(key)
    (params, _), _ = jax.jit(lambda state: jax.lax.scan(step, state, length=300))((params, optimizer.init(params)))
    assert (network.log_prob(params, images, given) > -0.1).all()
    np.testing.assert_array_equal(network.sample(params, key, 2, given, temperature=0.1), images)
