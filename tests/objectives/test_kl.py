import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import sample_of
from support.objective import terms_of

from vae_jax.objectives import OBJECTIVES
from vae_jax.objectives.kl import make_cost, make_weight
from vae_jax.types import Context, Spec

STEPS = 10
KL_TERMS = jnp.array([[0.5, 3.0], [1.5, 5.0]])  # means 1 and 4, kl 3.5 and 6.5, batch mean 5


def cost(config, step, beta=1.0, train=True, kl_terms=KL_TERMS):
    return make_cost(config, STEPS)(kl_terms, Context(jnp.int32(step), {"beta": jnp.float32(beta)}, train))


def weights(config, epochs, beta=1.0):
    return [float(make_weight(config, STEPS)(jnp.int32(round(e * STEPS)), jnp.float32(beta))) for e in epochs]


def test_cycles_rise_stay_and_restart_and_the_last_one_stays(make_config):
    config = make_config(kl_warmup_epochs=2.0, kl_cycles=3)
    epochs = [0, 1, 2, 3.9, 4, 5, 6, 7.9, 8, 9, 10, 50, 1000]
    expected = [0, 0.5, 1, 1, 0, 0.5, 1, 1, 0, 0.5, 1, 1, 1]
    assert weights(config, epochs) == pytest.approx(expected)
    assert weights(config, epochs, beta=3.0) == pytest.approx([3 * w for w in expected])
    once = make_config(kl_warmup_epochs=2.0)
    assert weights(once, epochs) == pytest.approx([0, 0.5] + 11 * [1])


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({}, 0), ({"kl_warmup_epochs": 2.0}, 2), ({"kl_warmup_epochs": 2.0, "kl_cycles": 3}, 10),
        ({"capacity": 5.0, "capacity_epochs": 7.0}, 7), ({"capacity_epochs": 7.0}, 0),
        ({"kl_warmup_epochs": 2.0, "model": "ae", "objective": "reconstruction"}, 0),
    ],
)  # fmt: skip
def test_the_cost_is_stable_after_the_stated_epoch_and_not_before(make_config, changes, epochs):
    config = make_config(**changes)
    assert OBJECTIVES[config.objective].make(config, STEPS).stable_after_epoch == epochs
    if config.model == "vae":
        last = [float(cost(config, round(epochs * STEPS) + i).sum()) for i in (0, 1, 7, 10_000)]
        assert len(set(last)) == 1
        assert epochs == 0 or float(cost(config, epochs * STEPS - 1).sum()) != last[0]


@pytest.mark.parametrize(("step", "target"), [(0, 0.0), (20, 2.0), (40, 4.0), (80, 8.0), (500, 8.0)])
def test_a_capacity_penalizes_the_distance_of_the_batch_mean_from_a_growing_target(make_config, step, target):
    config = make_config(capacity=8.0, capacity_epochs=8.0)
    np.testing.assert_allclose(cost(config, step, beta=30.0), 30 * abs(5 - target) * np.ones(2), rtol=1e-6)


def test_a_capacity_pulls_the_kl_up_below_it_and_down_above_it(make_config):
    for capacity, sign in ((8.0, -1), (3.0, 1)):
        config = make_config(capacity=capacity)
        grads = jax.grad(lambda terms, c=config: cost(c, 0, beta=7.0, kl_terms=terms).mean())(KL_TERMS)
        np.testing.assert_allclose(grads, sign * 7 / 2 * np.ones((2, 2)), rtol=1e-6)


@pytest.mark.parametrize("changes", [{"capacity": 8.0}, {"capacity": 8.0, "capacity_epochs": 3.0}])
def test_evaluation_with_a_capacity_does_not_couple_images_and_is_minus_the_elbo(make_config, changes):
    np.testing.assert_allclose(cost(make_config(**changes), 5, beta=30.0, train=False), [3.5, 6.5], rtol=1e-6)


def test_under_a_mapped_axis_the_capacity_uses_the_whole_batch(make_config):
    config = make_config(capacity=4.5)
    context = Context(jnp.int32(0), {"beta": jnp.float32(2)}, axis_name="batch")
    mapped = jax.pmap(lambda t: make_cost(config, STEPS)(t, context), "batch")
    np.testing.assert_allclose(mapped(KL_TERMS[:, None]), np.ones((2, 1)), rtol=1e-6)


def test_the_elbo_objective_uses_the_cost_in_the_loss_and_reports_the_kl(make_config, key):
    from vae_jax.models import make_model

    config = make_config(capacity=50.0)
    model, x = make_model(config, Spec((4, 3, 1))), jax.random.uniform(key, (8, 4, 3, 1))
    params = model.init(key, sample_of(x.mean(axis=0)))
    terms = terms_of(config, model, params, key, x, beta=3)
    expected = terms["reconstruction"] + 3 * (50 - terms["kl"].mean())
    np.testing.assert_allclose(terms["loss"], expected, rtol=1e-5)
