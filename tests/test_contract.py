"""The contract of every registry entry: a new entry is tested as soon as it is registered."""

import itertools

import jax
import numpy as np
import pytest
from support.objective import terms_of

from vae_jax.models import MODELS, make_model
from vae_jax.models.likelihoods import LIKELIHOODS
from vae_jax.models.networks import ACTIVATIONS, NETWORKS
from vae_jax.objectives import OBJECTIVES

SHAPES = [(8, 8, 1), (5, 7, 3)]
PRIOR_FUNCTIONS = ("log_prior", "log_posterior", "kl_terms", "sample_prior")


def build(config, shape, key):
    model = make_model(config, shape)
    x = jax.random.uniform(key, (6, *shape))
    return model, jax.jit(model.init)(key, x.mean(axis=0)), x


def combinations() -> list:
    """Return every model with every likelihood, network and shape; two or more differences from the VAE's make a case slow."""
    made = []
    for name, likelihood, network, shape in itertools.product(MODELS, LIKELIHOODS, NETWORKS, SHAPES):
        unusual = sum([name != "vae", network != "mlp", likelihood != "bernoulli", shape != SHAPES[0]])
        marks = [pytest.mark.slow] if unusual > 1 else []
        made.append(pytest.param(name, likelihood, network, shape, marks=marks))
    return made


@pytest.mark.parametrize(("name", "likelihood", "network", "shape"), combinations())
def test_every_model_satisfies_the_contract(make_config, key, name, likelihood, network, shape):
    config = make_config(model=name, likelihood=likelihood, network=network, dropout=0.3, latent_dim=4)
    model, params, x = build(config, shape, key)
    posterior = model.encode(params, x)
    z = model.reparameterize(params, key, posterior)
    outputs = model.decode(params, z)
    assert model.log_likelihood(params, x, outputs).shape == (6,)
    pixels = model.pixel_mean(params, outputs)
    assert pixels.shape == x.shape
    assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 1
    jax.tree.map(np.testing.assert_array_equal, posterior, model.encode(params, x))
    assert not np.array_equal(model.encode(params, x, key).mean, posterior.mean), "a key switches dropout on"
    assert not np.array_equal(model.decode(params, z, key), outputs)

    present = [getattr(model, function) is not None for function in PRIOR_FUNCTIONS]
    assert len(set(present)) == 1, "the four functions of a prior come together"
    if model.log_prior is None:
        return
    assert model.log_posterior is not None
    assert model.kl_terms is not None
    assert model.sample_prior is not None
    assert model.log_prior(params, z).shape == model.log_posterior(params, posterior, z).shape == (6,)
    kl_terms = model.kl_terms(params, posterior, z)
    assert kl_terms.shape[0] == 6
    draws = model.sample_prior(params, key, 5)
    assert model.decode(params, draws).shape[0] == 5


@pytest.mark.parametrize("name", MODELS)
def test_every_models_kl_is_the_mean_log_ratio(make_config, key, name):
    model, params, x = build(make_config(model=name), (8, 8, 1), key)
    if model.kl_terms is None:
        return
    assert model.log_prior is not None
    assert model.log_posterior is not None
    log_prior, log_posterior, kl_terms = model.log_prior, model.log_posterior, model.kl_terms
    posterior = model.encode(params, x)

    def draw(key):
        z = model.reparameterize(params, key, posterior)
        ratio = log_posterior(params, posterior, z) - log_prior(params, z)
        return ratio, kl_terms(params, posterior, z).sum(axis=1)

    ratios, kls = jax.vmap(draw)(jax.random.split(key, 4000))
    error = np.std(ratios - kls, axis=0) / np.sqrt(4000)
    assert (np.abs((ratios - kls).mean(axis=0)) < 4 * error + 1e-6).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_satisfies_the_contract(make_config, key, name):
    objective = OBJECTIVES[name](make_config(objective=name), 10)
    models = {model: make_model(make_config(model=model), (8, 8, 1)) for model in ("vae", "ae")}
    (fitting,) = (model for model, made in models.items() if not objective.problems(made))
    config = make_config(model=fitting, objective=name, noise_std=0.3)
    model, params, x = build(config, (8, 8, 1), key)
    terms, evaluated = (terms_of(config, model, params, key, x, 3, train=train) for train in (True, False))
    assert {"loss"} <= terms.keys()
    assert {"loss", "mse"} <= evaluated.keys()
    assert all(values.shape == (6,) for values in terms.values())
    assert ("elbo" in evaluated) == (model.log_prior is not None)
    assert objective.best_metric.removeprefix("val/") in evaluated
    grads = jax.grad(lambda p: terms_of(config, model, p, key, x, 3)["loss"].mean())(params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, f"{path} gets no gradient"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_gives_a_nonlinear_network(make_config, key, name):
    model, params, x = build(make_config(activation=name), (8, 8, 1), key)
    at = [model.encode(params, s * x).mean for s in (-1.0, 0.5, 2.0)]
    assert not np.allclose(at[2] - at[1], at[1] - at[0], atol=1e-6)
