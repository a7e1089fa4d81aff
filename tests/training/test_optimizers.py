from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax.models import make_model
from vae_jax.objectives import make_objective
from vae_jax.training.optimizers import make_optimizer, make_schedule
from vae_jax.training.step import init_state, make_hparams, make_train_step
from vae_jax.types import Spec

REFERENCES = {
    "adam": optax.adam(0.02, 0.8, 0.9, 1e-4),
    "adamw": optax.adamw(0.02, 0.8, 0.9, 1e-4, weight_decay=0.3),
    "rmsprop": optax.rmsprop(0.02, 0.9, 1e-4),
    "sgd": optax.sgd(0.02),
}


def descend(config, params, steps):
    def terms(model, params, key, batch, context):
        return {"loss": (params["w"] ** 2 * batch.x[:, 0, 0, :1]).sum(axis=1)}

    optimizer = make_optimizer(config, 10)
    model = make_model(config, Spec((1, 1, 1)))
    step = jax.jit(make_train_step(model, make_objective(config, model)._replace(terms=terms), optimizer))
    state = init_state(params, optimizer)
    for _ in range(steps):
        state, _ = step(state, jnp.ones((2, 1, 1, 1)), jax.random.key(0), make_hparams(config))
    return state.params["w"]


@pytest.mark.parametrize("name", REFERENCES)
def test_every_optimizer_agrees_with_optax_at_its_learning_rate(make_config, name):
    config = make_config(optimizer=name, learning_rate=0.02, adam_b1=0.8, adam_b2=0.9, adam_eps=1e-4, weight_decay=0.3)
    start = {"w": jnp.array([[1.0, -2.0, 3.0]])}
    params: Any = start
    opt_state = REFERENCES[name].init(start)
    for _ in range(20):
        grads = jax.tree.map(lambda w: 2 * w, params)
        updates, opt_state = REFERENCES[name].update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(descend(config, start, 20), params["w"], rtol=1e-5)


def test_gradients_are_clipped_by_their_global_norm(make_config):
    start = {"w": jnp.array([[30.0, -40.0]])}
    moved = descend(make_config(optimizer="sgd", learning_rate=1.0, clip_norm=0.5), start, 1) - start["w"]
    np.testing.assert_allclose(moved, [[-0.3, 0.4]], rtol=1e-5)


def test_schedules_have_the_expected_values(make_config):
    def at(epochs, **changes):
        return np.asarray(make_schedule(make_config(**changes), 10)(epochs * 10)).item()

    assert at(0) == at(99) == 1.0
    assert [at(e, warmup_epochs=4.0) for e in (0, 1, 4, 9)] == pytest.approx([0, 0.25, 1, 1])
    cosine = {"schedule": "cosine", "schedule_epochs": 10.0, "warmup_epochs": 2.0}
    assert [at(e, **cosine) for e in (1, 2, 6, 10, 50)] == pytest.approx([0.5, 1, 0.5, 0, 0], abs=1e-6)
    stairs = [at(e, schedule="staircase") for e in (0, 0.9, 1, 3, 4, 12, 13, 1092, 1093, 3280, 9000)]
    stages = [0, 0, 1, 1, 2, 2, 3, 6, 7, 7, 7]
    assert stairs == pytest.approx([10 ** (-stage / 7) for stage in stages])


@pytest.mark.parametrize(
    "changes", [{"warmup_epochs": 1e30}, {"schedule": "cosine", "schedule_epochs": 1e30, "warmup_epochs": 9e29}]
)
def test_a_schedule_longer_than_the_largest_step_number_ends_at_that_number(make_config, changes):
    schedule = jax.jit(make_schedule(make_config(**changes), 10))
    assert 0 <= float(schedule(jnp.int32(5))) < 1e-6
    assert float(schedule(jnp.int32(2**31 - 1))) == pytest.approx(1)
