import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import sample_of
from support.objective import terms_of

from vae_jax.errors import InputError
from vae_jax.models import make_model, require_rate
from vae_jax.objectives import OBJECTIVES, make_objective
from vae_jax.types import Spec

SHAPE = (4, 3, 1)


@pytest.fixture
def x(key):
    return jax.random.uniform(key, (8, *SHAPE))


def terms_at(config, x, key, step=0, beta=1.0, train=True):
    model = make_model(config, Spec(SHAPE))
    params = model.init(key, sample_of(x.mean(axis=0)))
    terms = terms_of(config, model, params, key, x, step, beta, train)
    _, rate = require_rate(model)
    posterior = model.encode(params, x)
    return terms, rate.kl_terms(params, posterior, model.reparameterize(params, None, posterior))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_beta_weights_the_kl_in_the_loss_and_not_in_the_elbo(make_config, x, key, beta):
    terms, _ = terms_at(make_config(), x, key, beta=beta, train=False)
    np.testing.assert_allclose(terms["loss"], terms["reconstruction"] + beta * terms["kl"], rtol=1e-6)
    np.testing.assert_allclose(terms["elbo"], -(terms["reconstruction"] + terms["kl"]), rtol=1e-6)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (5, 0.25), (20, 1.0), (1000, 1.0)])
def test_the_warm_up_is_linear_in_steps_and_ends(make_config, x, key, step, weight):
    terms, _ = terms_at(make_config(kl_warmup_epochs=2.0), x, key, step=step, beta=3.0)
    np.testing.assert_allclose(terms["loss"], terms["reconstruction"] + 3 * weight * terms["kl"], rtol=1e-5)


def test_free_bits_take_the_larger_of_lambda_and_the_batch_mean_of_each_dimension(make_config, x, key):
    _, kl_terms = terms_at(make_config(), x, key)
    free = float(np.median(kl_terms.mean(axis=0)))
    terms, _ = terms_at(make_config(free_bits=free), x, key)
    expected = np.maximum(kl_terms.mean(axis=0), free).sum()
    assert expected > kl_terms.mean(axis=0).sum()
    np.testing.assert_allclose(terms["loss"].mean(), terms["reconstruction"].mean() + expected, rtol=1e-6)


def test_free_bits_do_not_affect_evaluation(make_config, x, key):
    terms, _ = terms_at(make_config(free_bits=50.0), x, key, train=False)
    np.testing.assert_allclose(terms["loss"], -terms["elbo"], rtol=1e-6)


def test_a_dimension_below_its_free_bits_has_no_kl_gradient(make_config, x, key):
    config = make_config(free_bits=1e6)
    model = make_model(config, Spec(SHAPE))
    params = model.init(key, sample_of(x.mean(axis=0)))

    def mean(name, config):
        return lambda p: terms_of(config, model, p, key, x)[name].mean()

    freed = jax.grad(mean("loss", config))(params)
    alone = jax.grad(mean("reconstruction", make_config()))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), freed, alone)


def test_the_loss_is_finite_for_huge_logits(make_config, x, key):
    config = make_config()
    model = make_model(config, Spec(SHAPE))
    params = model.init(key, sample_of(x.mean(axis=0)))
    for sign in (-1e4, 1e4):
        params["decoder"]["output"]["bias"] = jnp.full(12, sign)
        value, grads = jax.value_and_grad(lambda p: terms_of(config, model, p, key, x)["loss"].mean())(params)
        assert np.isfinite(value)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


@pytest.mark.parametrize(
    ("model", "objective", "choice"), [("ae", "elbo", "denoising, reconstruction"), ("vae", "reconstruction", "elbo")]
)
def test_an_objective_that_does_not_fit_the_model_is_refused(make_config, model, objective, choice):
    config = make_config(model=model, objective=objective)
    with pytest.raises(InputError, match=f"objective={objective}.*model={model}.*choices: {choice}"):
        make_objective(config, make_model(config, Spec(SHAPE)), 10)


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({}, "val/elbo"),
        ({"beta": 2.0}, "val/loss"),
        ({"objective": "importance"}, "val/loss"),
        ({"objective": "reconstruction"}, "val/loss"),
    ],
)
def test_the_best_checkpoint_is_chosen_by_the_elbo_only_if_it_is_what_training_maximises(make_config, changes, metric):
    config = make_config(**changes)
    assert OBJECTIVES[config.objective].make(config, 10).best_metric == metric


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("model", "objective"), [("vae", "elbo"), ("ae", "reconstruction"), ("ae", "denoising")])
def test_a_penalty_of_the_model_is_added_to_the_loss_alone(make_config, x, key, model, objective, train):
    config = make_config(model=model, objective=objective)
    plain = make_model(config, Spec(SHAPE))
    params = plain.init(key, sample_of(x.mean(axis=0)))

    def penalty(params, posterior, draw):
        return 2 + jnp.square(draw.z - posterior.mean).sum(axis=1)

    without = terms_of(config, plain, params, key, x, train=train)
    terms = terms_of(config, plain._replace(penalty=penalty), params, key, x, train=train)
    more = terms.pop("loss") - without.pop("loss")
    assert (more > 2.1).all() if model == "vae" else np.allclose(more, 2, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, terms, without)


def test_free_bits_need_a_kl_of_each_dimension(make_config):
    vae = make_model(make_config(), Spec(SHAPE))
    assert vae.rate is not None
    grouped, free = vae._replace(traits=vae.traits - {"columns"}), make_config(free_bits=0.5)
    whole = grouped._replace(rate=vae.rate._replace(kl_names=lambda: ("kl",)))
    make_objective(free, vae)
    make_objective(free, grouped)
    make_objective(make_config(), whole)
    with pytest.raises(InputError, match=r"model=vae has one KL of all its dimensions, and free_bits=0\.5 is for each"):
        make_objective(free, whole)


def test_importance_weights_need_what_their_gradient_reads(make_config):
    config = make_config(objective="importance", importance__gradient="dreg")
    vae = make_model(config, Spec(SHAPE))
    assert vae.rate is not None
    unknown = vae._replace(rate=vae.rate._replace(log_posterior=None))
    make_objective(make_config(objective="importance"), unknown)
    with pytest.raises(InputError, match=r"no density of a given z, which importance\.gradient=dreg needs"):
        make_objective(config, unknown)
    planar = make_config(posterior="planar", objective="importance", importance__gradient="dreg")
    with pytest.raises(InputError, match=r"model=vae, posterior=planar has no .*, or another posterior or model$"):
        make_objective(planar, make_model(planar, Spec(SHAPE)))
    with pytest.raises(InputError, match="a loss of its own beside the bound"):
        make_objective(config, vae._replace(penalty=lambda params, posterior, draw: draw.z.sum(axis=1)))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("model", "objective"), [("vae", "elbo"), ("ae", "reconstruction"), ("ae", "denoising")])
def test_encoder_and_decoder_get_keys_of_their_own_in_training_only(make_config, x, key, model, objective, train):
    config = make_config(model=model, objective=objective)
    made, keys = make_model(config, Spec(SHAPE)), []

    def watched(function):
        return lambda params, given, key=None: keys.append(key) or function(params, given, key)

    watching = made._replace(encode=watched(made.encode), decode=watched(made.decode))
    terms_of(config, watching, made.init(key, sample_of(x.mean(axis=0))), key, x, train=train)
    assert len(keys) == 2
    if train:
        first, second = map(jax.random.key_data, keys)
        assert not np.array_equal(first, second)
    else:
        assert keys == [None, None]
