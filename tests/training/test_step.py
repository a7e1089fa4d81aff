"""The pure training step: the same under jit, scan, pmap and shard_map, and traced once."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from support.models import compiled
from support.objective import terms_of
from support.random_run import random_params
from support.slow import first_fast

from vae_jax.data.preprocess import make_preprocess
from vae_jax.models import make_model, require_rate
from vae_jax.objectives import make_objective
from vae_jax.system.devices import make_layout
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams, make_train_chunk, make_train_step
from vae_jax.types import Spec

SHAPE = (4, 3, 1)
BATCH = 8
AE = {"model": "ae", "objective": "reconstruction", "likelihood": "gaussian"}


def make_parts(config, axis_name=None):
    model = make_model(config, Spec(SHAPE))
    optimizer = make_optimizer(config, 10)
    step: Any = make_train_step(model, make_objective(config, model, 10), optimizer, axis_name)
    step = functools.partial(step, hparams=make_hparams(config))
    return init_state(jax.device_put(random_params(model, Spec(SHAPE))), optimizer), step


def make_chunk(step, binarize):
    return jax.jit(functools.partial(make_train_chunk(step.func, make_preprocess(binarize)), **step.keywords))


def assert_close(a, b, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol), a, b)


def run_pmap(config, state, x, key):
    _, step = make_parts(config, "batch")
    n = jax.device_count()
    states = jax.tree.map(lambda a: jnp.broadcast_to(a, (n, *a.shape)), state)
    state, metrics = jax.pmap(step, axis_name="batch", in_axes=(0, 0, None))(states, x.reshape(n, -1, *SHAPE), key)
    for leaf in jax.tree.leaves(state.params):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    return jax.tree.map(lambda a: a[0], (state, metrics))


def run_shard_map(config, state, x, key):
    _, step = make_parts(config, "batch")
    mesh = make_layout().replicated.mesh
    spec = PartitionSpec
    sharded = jax.shard_map(
        step, mesh=mesh, in_specs=(spec(), spec("batch"), spec()), out_specs=spec(), check_vma=False
    )
    return jax.jit(sharded)(state, x, key)


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (BATCH, *SHAPE))


@pytest.mark.parametrize("mapped", first_fast([run_pmap, run_shard_map]))
def test_a_noise_free_step_is_the_same_under_a_mapped_axis(make_config, x, key, mapped):
    config = make_config(**AE)
    state, step = make_parts(config)
    assert_close(mapped(config, state, x, key), jax.jit(step)(state, x, key))


@pytest.mark.parametrize("mapped", first_fast([run_shard_map, run_pmap]))
def test_a_vae_step_under_a_mapped_axis_is_the_mean_of_per_shard_steps_with_folded_keys(make_config, x, key, mapped):
    config = make_config(optimizer="sgd", learning_rate=0.1)
    state, _ = make_parts(config)
    model = compiled(make_model(config, Spec(SHAPE)))

    def shard_loss(params, i):
        shard_key = jax.random.fold_in(jax.random.fold_in(key, state.step), i)
        return terms_of(config, model, params, shard_key, x.reshape(2, -1, *SHAPE)[i])["loss"].mean()

    losses, grads = zip(*(jax.jit(jax.value_and_grad(shard_loss))(state.params, i) for i in range(2)), strict=True)
    expected = jax.tree.map(lambda p, a, b: p - 0.1 * (a + b) / 2, state.params, *grads)
    new, metrics = mapped(config, state, x, key)
    assert_close(new.params, expected)
    assert_close(metrics["loss"], sum(losses) / 2)


@pytest.mark.parametrize("mapped", first_fast([run_shard_map, run_pmap]))
def test_free_bits_use_the_global_batch_under_a_mapped_axis(make_config, x, key, mapped):
    state, _ = make_parts(make_config())
    model = compiled(make_model(make_config(), Spec(SHAPE)))
    _, rate = require_rate(model)

    def kl_terms(params):
        posterior = model.encode(params, x)
        return rate.kl_terms(params, posterior, model.reparameterize(params, None, posterior))

    # The dimension is free in one shard and not in the whole batch, so that the two means give different gradients.
    shards = kl_terms(state.params).reshape(2, -1, 3).mean(axis=1)[:, 2]
    free = float(0.25 * shards.max() + 0.75 * shards.min())
    assert shards.min() < free < shards.mean()
    config = make_config(optimizer="sgd", learning_rate=0.1, free_bits=free, beta=3.0)
    state, _ = make_parts(config)

    def loss(params):
        halves = x.reshape(2, -1, *SHAPE)
        reconstruction = 0.0
        for i in range(2):
            shard_key = jax.random.fold_in(jax.random.fold_in(key, state.step), i)
            terms = terms_of(make_config(), model, params, shard_key, halves[i])
            reconstruction += terms["reconstruction"].mean() / 2
        kl = kl_terms(params).mean(axis=0)
        return reconstruction + 3 * jnp.maximum(kl, free).sum()

    expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, jax.jit(jax.grad(loss))(state.params))
    new, metrics = mapped(config, state, x, key)
    assert_close(new.params, expected)
    assert_close(metrics["loss"], loss(state.params))


def test_the_accumulated_gradient_equals_the_gradient_of_the_batch(make_config, x, key):
    config = make_config(**AE)
    state, step = make_parts(config)
    model, optimizer = make_model(config, Spec(SHAPE)), make_optimizer(config, 10)
    parted = make_train_step(model, make_objective(config, model, 10), optimizer, accumulate_steps=4)
    assert_close(jax.jit(parted)(state, x, key, make_hparams(config)), jax.jit(step)(state, x, key))


def test_every_part_of_a_batch_has_its_own_noise(make_config, x, key):
    config = make_config()
    state, _ = make_parts(config)

    def terms(model, params, key, batch, context):
        return {"loss": jax.random.uniform(key, (len(batch.x),)) + 0 * context.hparams["beta"]}

    model = make_model(config, Spec(SHAPE))
    objective = make_objective(config, model, 10)._replace(terms=terms)
    step = make_train_step(model, objective, make_optimizer(config, 10), accumulate_steps=4)
    _, metrics = step(state, jnp.zeros_like(x), key, make_hparams(config))
    keys = jax.random.split(jax.random.fold_in(key, state.step), 4)
    parts = [float(jax.random.uniform(k, (BATCH // 4,)).mean()) for k in keys]
    assert len(set(parts)) == 4
    np.testing.assert_allclose(metrics["loss"], np.mean(parts), rtol=1e-5)


@pytest.mark.parametrize("network", ["mlp", pytest.param("conv", marks=pytest.mark.slow)])
def test_networks_compute_in_bfloat16_and_everything_else_in_float32(make_config, x, key, network):
    state, step = make_parts(make_config(network=network, channels=(8, 16), dtype="bfloat16"))
    lowered = jax.jit(step).lower(state, x, key)
    new, metrics = lowered.out_info
    assert {leaf.dtype for leaf in jax.tree.leaves((new.params, metrics))} == {jnp.dtype("float32")}
    lines = lowered.as_text().splitlines()
    products = [line for line in lines if "stablehlo.dot_general" in line or "stablehlo.convolution" in line]
    others = [line for line in products if "xbf16>" not in line]
    assert len(others) <= 2  # sums over pixels, which are products with ones, and their gradient
    assert len(products) - len(others) > 4


@pytest.mark.slow
def test_the_loss_in_bfloat16_is_close_to_float32(make_config, x, key):
    losses = {}
    for dtype in ("float32", "bfloat16"):
        state, step = make_parts(make_config(dtype=dtype))
        losses[dtype] = float(jax.jit(step)(state, x, key)[1]["loss"])
    assert losses["bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=1e-2)


def test_a_chunk_equals_its_steps_one_by_one(make_config, key):
    config = make_config()
    state, step = make_parts(config)
    images = jax.random.randint(key, (20, *SHAPE), 0, 256).astype(jnp.uint8)
    order = jax.random.randint(key, (5, BATCH), 0, 20)
    chunk = make_chunk(step, "dynamic")
    together, metrics = chunk(state, images, order, key)
    losses = []
    for rows in order:
        state, one = chunk(state, images, rows[None], key)
        losses.append(one["loss"][0])
    assert_close(together, state)
    assert_close(metrics["loss"], jnp.stack(losses))
    assert int(state.step) == 5
    assert len(set(np.asarray(losses).tolist())) == 5


def test_a_chunk_of_one_step_has_no_loop(make_config, key):
    state, step = make_parts(make_config())
    chunk = make_chunk(step, "none")

    def program(steps):
        arguments = state, jnp.zeros((20, *SHAPE), jnp.uint8), jnp.zeros((steps, BATCH), jnp.int32), jax.random.key(0)
        return chunk.lower(*arguments).as_text()

    # Drawing random bits has a loop of its own.
    assert program(2).count("stablehlo.while") == program(1).count("stablehlo.while") + 1


def test_a_chunk_streams_gathered_rows_with_the_same_bits(make_config, key):
    state, step = make_parts(make_config())
    images = jax.random.randint(key, (20, *SHAPE), 0, 256).astype(jnp.uint8)
    order = jax.random.permutation(key, 20)[:16].reshape(2, 8)
    chunk = make_chunk(step, "none")
    resident, _ = chunk(state, images, order, key)
    streamed, _ = chunk(state, images[order.reshape(-1)], jnp.arange(16).reshape(2, 8), key)
    jax.tree.map(np.testing.assert_array_equal, resident, streamed)


def test_the_step_is_traced_once(make_config, key):
    state, step = make_parts(make_config())
    traces = []

    def counted(*arguments, **keywords):
        traces.append(1)
        return step.func(*arguments, **keywords)

    chunk = make_chunk(functools.partial(counted, **step.keywords), "none")
    images = jnp.zeros((20, *SHAPE), jnp.uint8)
    for i in range(4):
        state, _ = chunk(state, images, jnp.full((3, BATCH), i), key)
    assert len(traces) == 1
    assert int(state.step) == 12


def test_dynamic_pixels_are_redrawn_at_every_step_with_the_right_mean(key):
    images = jnp.full((4000, 1, 1, 1), 51, jnp.uint8)
    preprocess = make_preprocess("dynamic")
    first, second = (preprocess(jax.random.fold_in(key, i), images) for i in range(2))
    assert set(np.unique(first).tolist()) == {0.0, 1.0}
    assert (first != second).any()
    assert abs(float(first.mean()) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 4000)
    binary = jnp.array([0, 255], jnp.uint8).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(preprocess(key, binary), binary / 255)
    np.testing.assert_allclose(make_preprocess("none")(key, images), np.float32(images) / 255, rtol=1e-6)


def test_noise_differs_between_steps_and_seeds(make_config, x, key):
    state, step = make_parts(make_config())

    def loss(number, key):
        return float(jax.jit(step)(state._replace(step=jnp.int32(number)), x, key)[1]["loss"])

    assert loss(0, key) == loss(0, key)
    assert loss(0, key) != loss(1, key)
    assert loss(0, key) != loss(0, jax.random.key(9))
