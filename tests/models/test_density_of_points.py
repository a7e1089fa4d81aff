"""The density of an autoencoder's codes: exact, a prior of its pair, and the source of no bound on log p(x)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm
from support.models import compiled
from support.objective import terms_of
from support.random_run import random_run

from vae_jax.data.digest import params_digest
from vae_jax.errors import InputError
from vae_jax.evaluation.evaluate import make_evaluate
from vae_jax.models import given, init_shapes, make_model, require_rate
from vae_jax.models.priors.rescaled import MOMENTS
from vae_jax.objectives import make_objective
from vae_jax.runs.pair import join
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams
from vae_jax.types import Sample, Spec, Split

AE: dict[str, Any] = {"model": "ae", "objective": "reconstruction"}
SHAPE = (8, 8, 1)
CENTRE, SCALE = np.array([5.0, -2.0, 40.0]), np.array([3.0, 0.1, 1.0])


def points(key, number=400):
    """Return codes whose three dimensions have other means and deviations, [N, 1, 1, 3]."""
    return jnp.asarray(CENTRE + SCALE * np.asarray(jax.random.normal(key, (number, 1, 1, 3))), jnp.float32)


def build(make_config, key, parent=None, **changes):
    digest = "digest" if parent is None else params_digest(parent.params)
    spec = Spec((1, 1, 3), num_train=400, codes=("points", 0, digest))
    config = make_config(model="density", dataset="codes", data_dir="parent", **changes)
    model, x = compiled(make_model(config, spec)), points(key)
    params = jax.jit(model.init)(key, Sample(x.mean(axis=0), x))
    assert jax.tree.map(jnp.shape, init_shapes(model, spec)) == jax.tree.map(jnp.shape, params)
    return config, spec, model, params, x


def pair_of(make_config, key, parent, **changes):
    config, spec, model, params, _ = build(make_config, key, parent, **{"prior": "standard"} | changes)
    return join(parent, config, spec, model, params, 7, None), params, model


def test_its_loss_is_minus_the_log_density_of_the_points_and_has_no_name_of_a_bound(make_config, key):
    config, _, model, params, x = build(make_config, key, prior="standard")
    x64 = np.asarray(x, np.float64).reshape(-1, 3)
    expected = norm.logpdf(x64, x64.mean(axis=0), x64.std(axis=0)).sum(axis=1)
    for train in (True, False):
        terms = terms_of(config, model, params, key, x, train=train)
        assert terms.keys() == {"loss", "code_log_density"}
        np.testing.assert_allclose(terms["code_log_density"], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(terms["loss"], -terms["code_log_density"])
    with pytest.raises(
        InputError, match="has codes without noise, and a prior fitted to points gives samples but no log"
    ):
        require_rate(model)


def test_a_mixture_of_one_component_is_the_gaussian_that_scipy_knows(make_config, key):
    _, _, model, params, x = build(make_config, key, prior="mixture", mixture__components=1)
    assert model.prior is not None
    assert model.prior.log_prob is not None
    own = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    mean, deviation = own[MOMENTS]["mean"], own[MOMENTS]["deviation"]
    centre = mean + deviation * own["prior"]["mean"][0]
    scale = deviation * np.exp(own["prior"]["logvar"][0] / 2)
    expected = norm.logpdf(np.asarray(x, np.float64).reshape(-1, 3), centre, scale).sum(axis=1)
    found = model.prior.log_prob(params, x.reshape(-1, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_dimension_that_is_the_same_for_all_images_has_a_finite_density(make_config, key):
    config, _, model, _, x = build(make_config, key, prior="standard")
    for value in (3.0, 0.3, -123.4):  # the mean of 400 times 3 is 3, that of 0.3 or -123.4 is not quite the number
        x = x.at[..., 1].set(value)
        params = jax.jit(model.init)(key, Sample(x.mean(axis=0), x))
        assert params[MOMENTS]["deviation"][1] == 1
        density = terms_of(config, model, params, key, x)["code_log_density"]
        rest = np.asarray(x, np.float64).reshape(-1, 3)[:, [0, 2]]
        expected = norm.logpdf(rest, rest.mean(axis=0), rest.std(axis=0)).sum(axis=1) + norm.logpdf(0)
        np.testing.assert_allclose(density, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("condition", ["none", "label"])
def test_the_pair_is_the_autoencoder_with_a_prior_and_no_rate(make_config, key, condition):
    parent = random_run(SHAPE, num_classes=3, condition=condition, **AE)
    run, params, density = pair_of(make_config, key, parent)
    model = given(run.model, jnp.array([2, 0, 1]))
    assert density.prior is not None
    assert density.prior.log_prob is not None
    assert model.prior is not None
    assert model.prior.log_prob is not None
    z = jax.random.normal(key, (3, 3))
    np.testing.assert_array_equal(model.prior.log_prob(run.params, z), density.prior.log_prob(params, z))
    assert (run.model.rate, run.config.objective, run.config.prior) == (None, "reconstruction", "standard")
    assert not run.standard_prior
    label = None if condition == "none" else 1
    drawn = run.sample_prior(300)
    np.testing.assert_allclose(drawn.mean(axis=0), CENTRE, atol=0.3 * SCALE.max())
    np.testing.assert_allclose(run.sample(4, seed=0, label=label), run.decode(drawn[:4], label), atol=1e-6)
    x = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    np.testing.assert_array_equal(run.reconstruct(x, label), parent.reconstruct(x, label))
    for refused in (lambda: run.kl_terms(x, label), lambda: run.sample_posterior(x, labels=label)):
        with pytest.raises(InputError, match=r"^model=ae: has codes without noise, and .* no log p\(x\) .*; choices: "):
            refused()


@pytest.mark.parametrize(
    "changes", [AE, {"model": "ae", "objective": "denoising", "denoising__noise_std": 0.3}], ids=str
)
@pytest.mark.slow
def test_its_numbers_are_those_of_the_autoencoder_and_the_density_of_the_codes(make_config, key, changes):
    parent = random_run(SHAPE, **changes)
    run, _, _ = pair_of(make_config, key, parent)
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)

    def evaluated(one):
        state = init_state(jax.tree.map(jnp.asarray, one.params), make_optimizer(one.config, 1))
        evaluate = make_evaluate(one.config, one.model, make_objective(one.config, one.model))
        return evaluate(state, key, Split(images, np.zeros(5, np.int32)), make_hparams(one.config)).terms

    before, after = evaluated(parent), evaluated(run)
    assert after.keys() - before.keys() == {"code_log_density"}
    assert not after.keys() & {"elbo", "kl", "nll", "reconstruction"}
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    assert run.model.prior is not None
    assert run.model.prior.log_prob is not None
    codes = parent.latents(images)
    np.testing.assert_allclose(
        after["code_log_density"], run.model.prior.log_prob(run.params, jnp.asarray(codes)), rtol=1e-4
    )


def test_priors_of_other_codes_and_one_number_for_a_flow_are_refused(make_config):
    spec = Spec((1, 1, 1), num_train=9, codes=("points", 0, "digest"))
    with pytest.raises(
        InputError, match=r"^prior=pixelcnn: model=density has points .*; choices: prior=flow, mixture, standard$"
    ):
        make_model(make_config(model="density", dataset="codes", prior="pixelcnn"), spec)
    with pytest.raises(InputError, match=r"^prior=flow: the codes of .* have one dimension; choices: prior=mixture"):
        make_model(make_config(model="density", dataset="codes"), spec)
    assert make_model(make_config(model="density", dataset="codes"), spec._replace(shape=(1, 1, 2))).prior is not None
