"""The density of the codes of a run: exact, in the units of the codes, and a rate beside which nothing is reconstructed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from support.models import compiled
from support.objective import terms_of
from support.random_run import random_run

from vae_jax import config as config_lib
from vae_jax.config.combinations import combination_problems
from vae_jax.data.digest import params_digest
from vae_jax.errors import InputError
from vae_jax.models import given, init_shapes, make_model, require_rate
from vae_jax.models.priors.rescaled import MOMENTS
from vae_jax.runs.pair import join
from vae_jax.types import Sample, Spec

SHAPE = (2, 1, 4)
SPEC = Spec(SHAPE, num_train=300, codes=("latents", 0, "digest"))


def codes_of(key, number=300):
    """Return codes of two places and two channels, whose means are far from 0 and whose deviations differ."""
    centre, scale = jnp.array([[[[5.0, -2.0]]]]), jnp.array([[[[3.0, 0.1]]]])
    mean = centre + scale * jax.random.normal(key, (number, *SHAPE[:2], 2))
    return jnp.concatenate([mean, jnp.broadcast_to(2 * jnp.log(scale), mean.shape)], axis=-1)


def build(make_config, key, **changes):
    config = make_config(model="density", dataset="codes", **changes)
    model = compiled(make_model(config, SPEC))
    x = codes_of(key)
    params = jax.jit(model.init)(key, Sample(x.mean(axis=0), x))
    assert jax.tree.map(jnp.shape, init_shapes(model, SPEC)) == jax.tree.map(jnp.shape, params)
    return config, model, params, x


def test_the_standard_prior_is_the_gaussian_of_all_codes_of_a_channel(make_config, key):
    _, model, params, x = build(make_config, key, prior="standard")
    log_prior, _ = require_rate(model)
    x64 = np.asarray(x, np.float64)
    mean, deviation = (
        x64[..., :2].mean(axis=(0, 1, 2)),
        np.sqrt(x64[..., :2].var(axis=(0, 1, 2)) + np.exp(x64[..., 2:]).mean(axis=(0, 1, 2))),
    )
    z = np.random.default_rng(0).normal(size=(5, 4)) * 3
    expected = norm.logpdf(z, np.tile(mean, 2), np.tile(deviation, 2)).sum(axis=1)
    np.testing.assert_allclose(log_prior(params, jnp.asarray(z, jnp.float32)), expected, rtol=1e-4)
    assert model.prior is not None
    draws = np.asarray(model.prior.sample(params, key, 20_000)).reshape(-1, 2, 2)
    np.testing.assert_allclose(draws.mean(axis=(0, 1)), mean, atol=0.05 * deviation.max())
    np.testing.assert_allclose(draws.std(axis=(0, 1)), deviation, rtol=0.03)
    assert not model.prior.is_standard


@pytest.mark.parametrize("prior", ["", "mixture"])
def test_its_density_integrates_to_1_in_the_units_of_the_codes(make_config, key, prior):
    spec = SPEC._replace(shape=(1, 1, 4))
    own = {"mixture.components": 7} if prior else {"flow.layers": 2, "flow.hidden_dims": (8,)}
    config = make_config(model="density", dataset="codes", prior=prior, **own)
    model = compiled(make_model(config, spec))
    x = codes_of(key)[:, :1]
    params = jax.jit(model.init)(key, Sample(x.mean(axis=0), x))
    params["prior"] = jax.tree.map(lambda a: a + 0.1 * jax.random.normal(key, a.shape), params["prior"])
    log_prior, _ = require_rate(model)
    one, two = np.linspace(-25, 35, 601), np.linspace(-3.2, -0.8, 601)
    z = np.stack(np.meshgrid(one, two), axis=-1).reshape(-1, 2).astype(np.float32)
    total = np.exp(np.asarray(jax.jit(log_prior)(params, z), np.float64)).sum() * (one[1] - one[0]) * (two[1] - two[0])
    assert total == pytest.approx(1, abs=2e-3)


def test_the_loss_is_the_rate_alone_and_the_posteriors_are_the_data(make_config, key):
    config, model, params, x = build(make_config, key)
    posterior = model.encode(params, x)
    np.testing.assert_array_equal(posterior.mean, x[..., :2].reshape(300, 4))
    np.testing.assert_array_equal(posterior.logvar, x[..., 2:].reshape(300, 4))
    terms = terms_of(config, model, params, key, x, train=False)
    log_prior, rate = require_rate(model)
    draw = model.reparameterize(params, jax.random.split(key, 3)[0], posterior)
    assert rate.log_posterior is not None
    expected = rate.log_posterior(params, posterior, draw.z) - log_prior(params, draw.z)
    np.testing.assert_allclose(terms["kl"], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(terms["loss"], terms["kl"], rtol=1e-6)
    assert terms.keys() == {"loss", "kl"}


def test_the_moments_of_the_codes_are_not_learned(make_config, key):
    config, model, params, x = build(make_config, key)
    grads = jax.jit(jax.grad(lambda params: terms_of(config, model, params, key, x)["loss"].mean()))(params)
    assert all(float(jnp.abs(leaf).max()) == 0 for leaf in jax.tree.leaves(grads[MOMENTS]))
    assert model.refit is not None
    assert model.refit(key, params, grads, jnp.int32(0)) == {MOMENTS: params[MOMENTS]}


INDICES = Spec((1, 2, 1), num_classes=2, num_train=8, codes=("indices", 3, "digest"))
PIXELCNN = {"prior": "pixelcnn", "pixelcnn.features": 4, "pixelcnn.layers": 1}
ALL_CODES = jnp.array(list(itertools.product(range(3), repeat=2)), jnp.int32)


def random_density(make_config, key, **changes):
    """Return the density of two codes of three values, with random parameters."""
    model = compiled(make_model(make_config(model="density", dataset="codes", **PIXELCNN | changes), INDICES))
    images = jnp.zeros((0, *INDICES.shape))
    params = jax.jit(model.init)(key, Sample(jnp.zeros(INDICES.shape), images))
    return (
        model,
        params,
        jax.jit(lambda params: jax.tree.map(lambda a: 0.4 * jax.random.normal(key, a.shape), params))(params),
    )


def test_the_code_length_is_t_log_k_at_the_start_and_the_masses_of_all_codes_sum_to_1(make_config, key):
    model, start, params = random_density(make_config, key)
    x = ALL_CODES.reshape(9, *INDICES.shape).astype(jnp.float32)
    log_prior, rate = require_rate(model)
    draw = model.reparameterize(start, None, model.encode(start, x))
    np.testing.assert_array_equal(draw.z, ALL_CODES)
    np.testing.assert_allclose(rate.kl_terms(start, None, draw), 2 * np.log(3), rtol=1e-6)
    masses = np.exp(np.asarray(log_prior(params, ALL_CODES), np.float64))
    assert masses.sum() == pytest.approx(1, abs=1e-5)
    assert masses.std() > 0.01


@pytest.mark.slow
def test_a_prior_given_the_class_has_a_mass_for_each(make_config, key):
    model, _, params = random_density(make_config, key, condition="label")
    masses = []
    for label in range(2):
        log_prior, _ = require_rate(given(model, jnp.full(9, label, jnp.int32)))
        masses.append(np.exp(np.asarray(log_prior(params, ALL_CODES), np.float64)))
        assert masses[-1].sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(masses[0] - masses[1]).max() > 1e-3


@pytest.mark.slow
def test_the_elbo_of_the_pair_is_the_term_of_its_own_codes_in_the_sum_over_all_codes(make_config, key):
    parent = random_run((8, 8, 1), model="quantized", vq__codes=3, quantized__codes_per_image=2, latent_dim=4)
    spec = INDICES._replace(codes=("indices", 3, params_digest(parent.params)))
    density, _, params = random_density(make_config, key)
    config = make_config(model="density", dataset="codes", **PIXELCNN)
    parent.params = jax.tree.map(jnp.asarray, parent.params)
    run = join(parent, config, spec, density, params, 1, None)
    x = jax.random.uniform(key, (4, 8, 8, 1))
    model, (log_prior, rate) = run.model, require_rate(run.model)
    assert model.from_codes is not None
    assert model.codes is not None
    joint = []
    for code in ALL_CODES:
        z = model.from_codes(run.params, jnp.tile(code, (4, 1)))
        log_x = model.log_likelihood(run.params, x, model.decode(run.params, z))
        joint.append(np.asarray(log_x + log_prior(run.params, z), np.float64))
    posterior = model.encode(run.params, x)
    draw = model.reparameterize(run.params, None, posterior)
    own = [ALL_CODES.tolist().index(code) for code in model.codes(run.params, draw.z).tolist()]
    log_x = model.log_likelihood(run.params, x, model.decode(run.params, draw.z))
    elbo = np.asarray(log_x - rate.kl_terms(run.params, posterior, draw)[:, 0], np.float64)
    np.testing.assert_allclose(elbo, np.stack(joint)[own, range(4)], rtol=1e-5)
    assert (np.asarray(logsumexp(np.stack(joint), axis=0)) >= elbo - 1e-6).all()
    assert run.sample(3, seed=1).shape == (3, 8, 8, 1)


def test_bad_input_is_refused_in_one_line(make_config):
    flat = config_lib.flatten(make_config(model="density", dataset="codes"))
    assert combination_problems(flat) == []
    for changes, words in (
        ({"dataset": "digits"}, "dataset=digits: model=density learns the codes of a run; choices: dataset=codes"),
        (
            {"prior": "vamp"},
            "prior=vamp: it encodes images, and the data are codes; choices: prior=flow, mixture, standard",
        ),
        ({"prior": "sphere"}, "prior=sphere: it has no parameters to learn; choices: "),
        (
            {"objective": "importance"},
            "objective=importance: model=density has an exact density; choices: objective=elbo",
        ),
        ({"condition": "label"}, "condition=label: only prior=pixelcnn is given the label; choices: condition=none"),
        ({"binarize": "dynamic"}, "binarize=dynamic: dataset=codes has no pixels; choices: binarize=none"),
        (
            {"model": "vae"},
            "model=vae: dataset=codes has the codes of a run in place of images; choices: model=density",
        ),
    ):
        found = combination_problems(flat | changes)
        assert any(line.startswith(words) for line in found), (changes, found)
    with pytest.raises(InputError, match=r"^prior=flow: model=density has indices from .*; choices: prior=pixelcnn$"):
        make_model(make_config(model="density", dataset="codes"), INDICES)
    with pytest.raises(
        InputError, match=r"^prior=pixelcnn: model=density has latents .*; choices: prior=flow, mixture, standard$"
    ):
        make_model(make_config(model="density", dataset="codes", prior="pixelcnn"), SPEC)
    (line,) = combination_problems(config_lib.flatten(make_config()) | {"prior": "pixelcnn"})
    assert line.startswith(
        "model=vae: prior=pixelcnn is a density of the discrete codes of a finished run; choices: model=density"
    )
    (line,) = combination_problems(flat | {"prior": "pixelcnn", "pixelcnn.kernel": 4})
    assert line == "pixelcnn.kernel=4: an even kernel has no middle; choices: 1, 3, 5, ..."
