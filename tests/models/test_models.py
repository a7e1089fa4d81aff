"""Tests of models against an independent forward pass in numpy; test_contract.py tests what all models share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.models import compiled, sample_of
from support.objective import terms_of

from vae_jax.errors import InputError
from vae_jax.models import make_model, num_parameters, parameter_table, require_prior, require_rate
from vae_jax.types import Spec

SHAPE = (4, 3, 2)
HPARAMS = {"beta": jnp.float32(1.0)}


def dense(x, layer):
    return x @ np.float64(layer["kernel"]) + np.float64(layer["bias"])


def forward(x, layers, num_hidden):
    for i in range(num_hidden):
        x = np.maximum(dense(x, layers[f"Dense_{i}"]), 0)
    return dense(x, layers["output"])


@pytest.mark.parametrize(
    "hidden_dims", [(7,), *(pytest.param(dims, marks=pytest.mark.slow) for dims in ((), (7, 5, 6)))]
)
def test_terms_of_an_untrained_vae_agree_with_float64_numpy(make_config, key, hidden_dims):
    config = make_config(hidden_dims=hidden_dims, latent_dim=3)
    model = compiled(make_model(config, Spec(SHAPE)))
    x = jax.random.uniform(key, (6, *SHAPE))
    params = jax.jit(model.init)(key, sample_of(x.mean(axis=0)))
    terms = terms_of(config, model, params, key, x, train=False)

    features = forward(np.float64(x).reshape(6, -1), params["encoder"], len(hidden_dims))
    mean, logvar = features[:, :3], features[:, 3:]
    eps = jax.random.normal(jax.random.split(key, 3)[0], mean.shape)
    logits = forward(mean + np.exp(logvar / 2) * np.float64(eps), params["decoder"], len(hidden_dims))
    pixels = np.float64(x).reshape(6, -1)
    probability = scipy.special.expit(logits)
    reconstruction = -(pixels * np.log(probability) + (1 - pixels) * np.log1p(-probability)).sum(axis=1)
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum(axis=1)
    np.testing.assert_allclose(terms["reconstruction"], reconstruction, rtol=1e-5)
    np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms["elbo"], -(reconstruction + kl), rtol=1e-5)
    np.testing.assert_allclose(terms["mse"], ((pixels - probability) ** 2).mean(axis=1), rtol=1e-4)


def test_terms_of_an_untrained_ae_agree_with_float64_numpy(make_config, key):
    config = make_config(model="ae", objective="reconstruction", likelihood="gaussian", gaussian__sigma=0.4)
    model = compiled(make_model(config, Spec(SHAPE)))
    x = jax.random.uniform(key, (6, *SHAPE))
    params = jax.jit(model.init)(key, sample_of(x.mean(axis=0)))
    terms = terms_of(config, model, params, key, x)
    pixels = np.float64(x).reshape(6, -1)
    outputs = forward(forward(pixels, params["encoder"], 1), params["decoder"], 1)
    np.testing.assert_allclose(terms["loss"], -scipy.stats.norm.logpdf(pixels, outputs, 0.4).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(terms["mse"], ((pixels - np.clip(outputs, 0, 1)) ** 2).mean(axis=1), rtol=1e-4)


def test_log_densities_of_the_vae_agree_with_scipy(make_config, key):
    model = compiled(make_model(make_config(latent_dim=3), Spec(SHAPE)))
    x = jax.random.uniform(key, (6, *SHAPE))
    params = jax.jit(model.init)(key, sample_of(x.mean(axis=0)))
    posterior = model.encode(params, x)
    log_prior, rate = require_rate(model)
    assert rate.log_posterior is not None
    z, log_q = model.reparameterize(params, key, posterior)
    assert log_q is not None
    np.testing.assert_allclose(log_prior(params, z), scipy.stats.norm.logpdf(z).sum(axis=1), rtol=1e-5)
    expected = scipy.stats.norm.logpdf(z, posterior.mean, np.exp(posterior.logvar / 2)).sum(axis=1)
    np.testing.assert_allclose(rate.log_posterior(params, posterior, z), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(log_q, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_dropout_is_on_only_with_a_key_and_drops_the_given_fraction(make_config, key):
    model = compiled(make_model(make_config(dropout=0.5, hidden_dims=(64,)), Spec(SHAPE)))
    x = jax.random.uniform(key, (6, *SHAPE))
    params = jax.jit(model.init)(key, sample_of(x.mean(axis=0)))
    still = model.encode(params, x).mean
    np.testing.assert_array_equal(still, model.encode(params, x).mean)
    noisy = jax.jit(jax.vmap(lambda k: model.encode(params, x, k).mean))(jax.random.split(key, 400))
    assert not np.allclose(noisy[0], still)
    error = np.std(noisy, axis=0) / np.sqrt(len(noisy))
    assert (np.abs(np.mean(noisy, axis=0) - still) < 5 * error).all()


def test_the_output_bias_gives_the_mean_image(make_config, key):
    mean_image = jax.random.uniform(key, SHAPE)
    model = make_model(make_config(), Spec(SHAPE))
    params = jax.jit(model.init)(key, sample_of(mean_image))
    outputs = model.decode(params, jnp.zeros((1, 3)))
    assert model.pixel_mean is not None
    np.testing.assert_allclose(model.pixel_mean(params, outputs)[0], np.clip(mean_image, 0.001, 0.999), atol=1e-5)


def test_parameters_are_counted(make_config, key):
    params = make_model(make_config(hidden_dims=(7,), latent_dim=3), Spec(SHAPE)).init(key, sample_of(jnp.zeros(SHAPE)))
    assert num_parameters(params) == (24 * 7 + 7) + (7 * 6 + 6) + (3 * 7 + 7) + (7 * 24 + 24)
    assert sum(count for _, _, count in parameter_table(params)) == num_parameters(params)
    assert ("decoder/output/kernel", "(7, 24)", 168) in parameter_table(params)


def test_a_model_without_a_prior_is_refused_in_one_line(make_config):
    config = make_config(model="ae", objective="reconstruction")
    for require, words in ((require_prior, "nothing to sample"), (require_rate, r"no log p\(x\)")):
        with pytest.raises(InputError, match=rf"^model=ae: has no prior, .* {words}; choices: .*, such as vae$"):
            require(make_model(config, Spec(SHAPE)), config.model)
        with pytest.raises(InputError, match=r"^the model has no prior, "):
            require(make_model(config, Spec(SHAPE)))
    vae = make_model(make_config(), Spec(SHAPE))
    assert vae.prior is not None
    assert require_prior(vae) is vae.prior
    assert require_rate(vae) == (vae.prior.log_prob, vae.rate)


def test_a_prior_without_a_density_can_be_sampled_but_gives_no_bound(make_config):
    vae = make_model(make_config(), Spec(SHAPE))
    assert vae.prior is not None
    points = r"^model=vae: has codes without noise, and a prior fitted to points gives samples but no log p\(x\)"
    for model, line in (
        (
            vae._replace(prior=vae.prior._replace(log_prob=None)),
            r"^model=vae: has no log p\(z\), so there is no log p\(x\); ",
        ),
        (vae._replace(rate=None), points),
    ):
        assert require_prior(model, "vae") is model.prior
        with pytest.raises(InputError, match=line):
            require_rate(model, "vae")
