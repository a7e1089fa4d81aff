"""FactorVAE: its critic, its penalty and what it refuses."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.models import sample_of
from support.objective import terms_of as eager_terms
from support.slow import first_fast

from vae_jax.config import flatten
from vae_jax.errors import InputError
from vae_jax.models import make_model
from vae_jax.models.networks.critic import make_critic
from vae_jax.objectives import make_objective
from vae_jax.objectives.factor import PERMUTE, critic_cost, permute, problems
from vae_jax.objectives.forward import forward
from vae_jax.types import Batch, Spec

SHAPE = (4, 3, 1)
CORRELATION = 0.8
TC = -0.5 * math.log(1 - CORRELATION**2)


def terms_of(config, model, params, key, x, step=0, train=True):
    return jax.jit(lambda *given: eager_terms(config, model, *given, step=step, train=train))(params, key, x)


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (10, *SHAPE))


def parts(make_config, key, **changes):
    """Return config, model and params with a critic whose logits are far from 0."""
    config = make_config(objective="factor", factor__hidden_dims=(8, 8), **changes)
    model = make_model(config, Spec(SHAPE))
    own = make_objective(config, model).init
    assert own is not None

    @jax.jit
    def init(key):
        params = jax.jit(model.init)(key, sample_of(jnp.full(SHAPE, 0.4)))
        params = params | {"objective": own(key, model, params)}
        return jax.tree.map(lambda a: a + 0.3 * jax.random.normal(key, a.shape), params)

    return config, model, init(key)


def gaussian(key, count):
    """Draw from N(0, [[1, c], [c, 1]])."""
    first, second = jax.random.normal(key, (2, count))
    return jnp.stack([first, CORRELATION * first + math.sqrt(1 - CORRELATION**2) * second], axis=1)


def log_ratio(z):
    """Return the log of the density of `gaussian` over that of its marginals' product."""
    c = CORRELATION
    square = jnp.square(z).sum(axis=1)
    return TC - (square - 2 * c * z[:, 0] * z[:, 1]) / (2 * (1 - c**2)) + square / 2


def test_the_log_density_ratio_has_the_least_cost_and_its_mean_is_the_total_correlation(key):
    joint, other = gaussian(key, 40_000), permute(key, gaussian(jax.random.key(1), 40_000))
    costs = [
        float(critic_cost(scale * log_ratio(joint) + shift, scale * log_ratio(other) + shift))
        for scale, shift in [(1.0, 0.0), (0.8, 0.0), (1.2, 0.0), (1.0, 0.2), (1.0, -0.2), (0.0, 0.0)]
    ]
    assert min(costs) == costs[0]
    np.testing.assert_allclose(costs[-1], math.log(2), rtol=1e-6)
    ratio = log_ratio(joint)
    assert abs(float(ratio.mean()) - TC) < 4 * float(ratio.std()) / 200


@pytest.mark.slow
def test_a_trained_critic_estimates_the_total_correlation_of_a_correlated_gaussian(key):
    critic, optimizer = make_critic((64, 64)), optax.adam(3e-3, 0.5, 0.9)

    def cost(params, key):
        joint, other = gaussian(key, 512), gaussian(jax.random.fold_in(key, 1), 512)
        return critic_cost(critic.logits(params, joint), critic.logits(params, permute(key, other)))

    @jax.jit
    def train(carry, key):
        params, state = carry
        updates, state = optimizer.update(jax.grad(cost)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    params = critic.init(key, 2)
    (params, _), _ = jax.lax.scan(train, (params, optimizer.init(params)), jax.random.split(key, 600))
    z = gaussian(jax.random.key(9), 20_000)
    assert abs(float(critic.logits(params, z).mean()) - TC) < 0.1 * TC


def test_a_permutation_keeps_each_dimensions_values_and_pairs_those_of_different_images(key):
    z = jnp.arange(60.0).reshape(20, 3)
    permuted = permute(key, z)
    np.testing.assert_array_equal(jnp.sort(permuted, axis=0), jnp.sort(z, axis=0))
    images = np.asarray(permuted) // 3
    assert (images != images[:, :1]).any(axis=1).sum() > 10
    assert not np.array_equal(permuted[:, 0], z[:, 0])


def test_the_penalty_is_of_the_first_half_and_the_critic_compares_it_with_the_permuted_second_half(make_config, key, x):
    config, model, params = parts(make_config, key, factor__gamma=7.0)
    terms = terms_of(config, model, params, key, x)

    @jax.jit
    def expected(params):
        z = forward(model, params, key, Batch(x), True).draw.z
        codes = z[:5], permute(jax.random.fold_in(key, PERMUTE), z[5:])
        return [make_critic((8, 8)).logits(params["objective"], each) for each in codes]

    joint, permuted = expected(params)
    np.testing.assert_allclose(terms["tc"], np.full(10, joint.mean()), rtol=1e-5)
    np.testing.assert_allclose(terms["critic_loss"], np.full(10, critic_cost(joint, permuted)), rtol=1e-5)
    elbo = terms["reconstruction"] + terms["kl"]
    np.testing.assert_allclose(terms["loss"], elbo + 7 * terms["tc"], rtol=1e-5)
    assert abs(float(joint.mean())) > 1e-3


def test_the_loss_and_the_critics_loss_are_blind_to_each_others_parameters(make_config, key, x):
    config, model, params = parts(make_config, key)

    def gradient(name):
        return jax.jit(jax.grad(lambda params: eager_terms(config, model, params, key, x)[name].mean()))(params)

    for name, blind in (("loss", ["objective"]), ("critic_loss", [own for own in params if own != "objective"])):
        found = gradient(name)
        for part, tree in found.items():
            for leaf in jax.tree.leaves(tree):
                assert bool((leaf == 0).all()) == (part in blind), (name, part)


@pytest.mark.slow
def test_the_penaltys_gradient_is_that_of_the_mean_log_ratio(make_config, key, x):
    config, model, params = parts(make_config, key, factor__gamma=3.0)
    elbo = make_config(objective="elbo")

    def gradient(loss):
        return jax.jit(jax.grad(lambda own: loss(params | own)))({"encoder": params["encoder"]})

    whole = gradient(lambda params: eager_terms(config, model, params, key, x)["loss"].mean())
    without = gradient(lambda params: eager_terms(elbo, model, params, key, x)["loss"].mean())

    def ratio(params):
        z = forward(model, params, key, Batch(x), True).draw.z
        return make_critic((8, 8)).logits(params["objective"], z[:5]).mean()

    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(a, b + 3 * c, rtol=1e-4, atol=1e-5),
        whole,
        without,
        gradient(ratio),
    )


@pytest.mark.parametrize("changes", first_fast([{"beta": 4.0, "kl_warmup_epochs": 2.0}, {"free_bits": 0.5}, {}]))
def test_without_gamma_the_loss_and_its_gradient_are_those_of_the_elbo(make_config, key, x, changes):
    config, model, params = parts(make_config, key, factor__gamma=0.0, **changes)
    elbo = make_config(objective="elbo", **changes)

    def value(config):
        loss = jax.value_and_grad(lambda params: eager_terms(config, model, params, key, x, 3)["loss"].mean())
        return jax.jit(loss)(params)

    jax.tree.map(np.testing.assert_array_equal, value(config), value(elbo))


def test_in_evaluation_no_image_affects_another(make_config, key, x):
    config, model, params = parts(make_config, key, factor__gamma=7.0)
    terms = terms_of(config, model, params, key, x, train=False)
    changed = terms_of(config, model, params, key, x.at[1:].set(0.5), train=False)
    assert "critic_loss" not in terms
    assert {"loss", "elbo", "mse", "tc"} <= terms.keys()
    np.testing.assert_allclose(terms["loss"], -terms["elbo"] + 7 * terms["tc"], rtol=1e-5)
    for name, values in terms.items():
        np.testing.assert_allclose(values[0], changed[name][0], rtol=1e-5, err_msg=name)
    assert len(np.unique(terms["tc"])) == 10


def test_the_critic_reads_as_many_dimensions_as_the_view_has(make_config, key):
    config = make_config(objective="factor", factor__hidden_dims=(8, 8), model="two_layer", latent_dim=4)
    model = make_model(config, Spec(SHAPE))
    init = make_objective(config, model).init
    assert init is not None
    found = jax.eval_shape(lambda key: init(key, model, model.init(key, sample_of(jnp.zeros(SHAPE)))), key)
    assert found["Dense_0"]["kernel"].shape == (4, 8)


def test_a_single_dimension_and_models_without_densities_are_refused(make_config):
    flat = flatten(make_config(objective="factor")) | {"latent_dim": 1}
    assert problems(flat) == [
        "latent_dim=1: the total correlation of one dimension is 0; objective=factor needs 2 or more"
    ]
    assert problems(flat | {"latent_dim": 2}) == []
    config = make_config(objective="factor", model="ae")
    with pytest.raises(InputError, match="objective=factor: model=ae has no prior"):
        make_objective(config, make_model(config, Spec(SHAPE)))
    config = make_config(objective="factor", posterior="power_spherical", latent_dim=2)
    with pytest.raises(InputError, match=r"has its z on a sphere \(posterior=power_spherical\)"):
        make_objective(config, make_model(config, Spec(SHAPE)))
    config = make_config(objective="factor")
    model = make_model(config, Spec(SHAPE))
    with pytest.raises(InputError, match="has discrete codes"):
        make_objective(config, model._replace(traits=model.traits | {"discrete"}))


@pytest.mark.parametrize(
    ("gamma", "beta", "metric"), [(0.0, 1.0, "val/elbo"), (0.0, 4.0, "val/loss"), (10.0, 1.0, "val/loss")]
)
def test_the_best_checkpoint_is_chosen_by_the_loss_unless_it_is_the_elbo(make_config, gamma, beta, metric):
    config = make_config(objective="factor", factor__gamma=gamma, beta=beta)
    assert make_objective(config, make_model(config, Spec(SHAPE))).best_metric == metric
