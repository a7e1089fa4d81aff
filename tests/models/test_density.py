"""The density of the codes of a run: exact, in the units of the codes, and a rate beside which nothing is reconstructed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm
from support.objective import terms_of

from vae_jax import config as config_lib
from vae_jax.config.combinations import combination_problems
from vae_jax.errors import InputError
from vae_jax.models import init_shapes, make_model, require_rate
from vae_jax.models.priors.rescaled import MOMENTS
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
    model = make_model(config, SPEC)
    x = codes_of(key)
    params = model.init(key, Sample(x.mean(axis=0), x))
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
    model = make_model(config, spec)
    x = codes_of(key)[:, :1]
    params = model.init(key, Sample(x.mean(axis=0), x))
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
    np.testing.assert_allclose(terms["elbo"], -terms["kl"], rtol=1e-6)
    np.testing.assert_array_equal(terms["reconstruction"], 0)
    assert not {"mse", "mse_mean", "psnr"} & terms.keys()


def test_the_moments_of_the_codes_are_not_learned(make_config, key):
    config, model, params, x = build(make_config, key)
    grads = jax.grad(lambda params: terms_of(config, model, params, key, x)["loss"].mean())(params)
    assert all(float(jnp.abs(leaf).max()) == 0 for leaf in jax.tree.leaves(grads[MOMENTS]))
    assert model.refit is not None
    assert model.refit(key, params, grads, jnp.int32(0)) == {MOMENTS: params[MOMENTS]}


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
        ({"condition": "label"}, "condition=label: the priors of latents are given no label; choices: condition=none"),
        ({"binarize": "dynamic"}, "binarize=dynamic: dataset=codes has no pixels; choices: binarize=none"),
        (
            {"model": "vae"},
            "model=vae: dataset=codes has the codes of a run in place of images; choices: model=density",
        ),
    ):
        found = combination_problems(flat | changes)
        assert any(line.startswith(words) for line in found), (changes, found)
    with pytest.raises(InputError, match=r"data are indices; choices: data_dir=RUN of a VAE"):
        make_model(make_config(model="density", dataset="codes"), SPEC._replace(codes=("indices", 5, "digest")))
