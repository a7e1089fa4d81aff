import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.random_run import random_params
from support.slow import first_fast

from vae_jax.evaluation.evaluate import make_evaluate
from vae_jax.evaluation.per_image import active_units, activity
from vae_jax.models import make_model, require_rate
from vae_jax.objectives import make_objective
from vae_jax.system.devices import make_layout
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams
from vae_jax.types import Spec, Split

SHAPE = (4, 3, 1)


def evaluation(config, split, layout=None, batches_per_call=1):
    model = make_model(config, Spec(SHAPE))
    optimizer = make_optimizer(config, 10)
    state = init_state(jax.device_put(random_params(model, Spec(SHAPE))), optimizer)
    evaluate = make_evaluate(config, model, make_objective(config, model, 10), layout, batches_per_call)
    return model, state, evaluate(state, jax.random.key(5), split, make_hparams(config))


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (37, *SHAPE), np.uint8), np.zeros(37, np.int32))


CALLS = [(9, True, 4), (10, False, 3), (1, False, 1), (36, False, 2), (9, True, 1)]
"""Images of a batch, whether the devices share it, and the batches of a call."""


@pytest.mark.parametrize(
    ("binarize", "calls"), first_fast([("none", CALLS[:2]), ("none", CALLS[2:]), ("dynamic", CALLS)])
)
def test_terms_do_not_depend_on_the_batch_size_the_call_or_the_devices(make_config, split, binarize, calls):
    _, _, whole = evaluation(make_config(binarize=binarize, eval__batch_size=1000), split)
    for size, shared, per_call in calls:
        config = make_config(binarize=binarize, eval__batch_size=size)
        _, _, pieces = evaluation(config, split, make_layout() if shared else None, per_call)
        assert pieces.means is not None
        assert pieces.means.shape == (37, 3)
        for name, values in whole.terms.items():
            assert pieces.terms[name].shape == (37,)
            np.testing.assert_allclose(pieces.terms[name], values, rtol=1e-5, err_msg=name)


def test_the_terms_of_an_image_do_not_depend_on_later_images(make_config, split):
    _, _, whole = evaluation(make_config(), split)
    _, _, few = evaluation(make_config(), Split(split.images[:5], split.labels[:5]))
    for name, values in whole.terms.items():
        np.testing.assert_allclose(few.terms[name], values[:5], rtol=1e-5)


def test_terms_agree_with_the_definition(make_config, split):
    model, state, per_image = evaluation(make_config(), split)
    x = jnp.asarray(split.images / np.float32(255))
    posterior = model.encode(state.params, x)
    _, rate = require_rate(model)
    kl = rate.kl_terms(state.params, posterior, model.reparameterize(state.params, None, posterior)).sum(axis=1)
    np.testing.assert_allclose(per_image.terms["kl"], kl, rtol=1e-4, atol=1e-6)
    assert per_image.means is not None
    np.testing.assert_allclose(per_image.means, posterior.mean, rtol=1e-4, atol=1e-6)
    assert model.pixel_mean is not None
    pixels = model.pixel_mean(state.params, model.decode(state.params, posterior.mean))
    np.testing.assert_allclose(per_image.terms["mse_mean"], ((x - pixels) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4)
    total = per_image.terms["elbo"] + per_image.terms["reconstruction"] + per_image.terms["kl"]
    np.testing.assert_allclose(total, 0, atol=1e-4)


def test_the_aggregate_uses_one_sample_per_image_for_any_batch_size(make_config, split):
    model, state, whole = evaluation(make_config(latent_dim=2), split)
    assert whole.aggregate is not None
    for size, per_call in ((10, 3),):
        _, _, pieces = evaluation(make_config(latent_dim=2, eval__batch_size=size), split, None, per_call)
        assert pieces.aggregate is not None
        for found, expected in zip(pieces.aggregate, whole.aggregate, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert whole.aggregate.kl.sum() == pytest.approx(whole.terms["kl"].mean(dtype=np.float64), rel=1e-5)
    # Posteriors of an untrained model hardly depend on the image, so many images are many samples.
    many = Split(np.repeat(split.images, 40, axis=0), np.zeros(40 * 37, np.int32))
    _, _, found = evaluation(make_config(latent_dim=2), many)
    assert found.aggregate is not None
    posterior = model.encode(state.params, jnp.asarray(split.images / np.float32(255)))
    variance = np.exp(posterior.logvar).mean(axis=0) + np.var(posterior.mean, axis=0)
    np.testing.assert_allclose(found.aggregate.z, posterior.mean.mean(axis=0), atol=4 * np.sqrt(variance.max() / 1480))
    np.testing.assert_allclose(found.aggregate.variance, variance, rtol=4 * np.sqrt(2 / 1480))


def test_summaries_are_float64_means_and_fit_the_model(make_config, split):
    config = make_config()
    _, _, per_image = evaluation(config, split)
    metrics = per_image.metrics
    assert list(metrics) == ["elbo", "reconstruction", "kl", "loss", "mse", "mse_mean", "psnr", "active_units"]
    assert metrics["elbo"] == np.mean(np.float64(per_image.terms["elbo"]))
    metrics = per_image._replace(discrete=True).metrics
    assert metrics["bits_per_dim"] == pytest.approx(-metrics["elbo"] / (12 * np.log(2)))


@pytest.mark.parametrize(
    ("likelihood", "discrete"), [("gaussian", False), ("continuous_bernoulli", False), ("discretized_logistic", True)]
)
def test_bits_per_dim_are_for_discrete_pixels_only(make_config, split, likelihood, discrete):
    config = make_config(likelihood=likelihood)
    _, _, per_image = evaluation(config, split)
    assert ("bits_per_dim" in per_image.metrics) == discrete


def test_a_model_without_a_prior_reports_no_elbo(make_config, split):
    config = make_config(model="ae", objective="reconstruction", likelihood="gaussian")
    _, _, per_image = evaluation(config, split)
    metrics = per_image.metrics
    assert per_image.aggregate is None
    assert list(metrics) == ["loss", "mse", "mse_mean", "psnr"]
    assert metrics["mse"] == pytest.approx(metrics["mse_mean"], rel=1e-5)


def test_dropout_is_off_in_evaluation(make_config, split):
    _, _, wet = evaluation(make_config(dropout=0.9), split)
    _, _, dry = evaluation(make_config(), split)
    np.testing.assert_array_equal(wet.terms["elbo"], dry.terms["elbo"])


def test_active_units_on_perfect_useless_and_duplicated_codes():
    codes = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    assert active_units(codes) == 3
    assert active_units(np.zeros((1000, 3), np.float32)) == 0
    assert active_units(np.concatenate([codes, codes, 0.05 * codes], axis=1)) == 6
    # A large offset must not cancel the digits of the variance.
    assert active_units(np.asarray(0.05 * codes + 1000, np.float32)) == 0


def test_active_units_of_a_conditional_model_vary_within_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 2000)
    between, within = 3.0 * labels[:, None], rng.normal(size=(2000, 2)) * [1.0, 1e-3]
    means = (between + within).astype(np.float32)
    np.testing.assert_allclose(activity(means, labels), [1, 1e-6], rtol=0.1)
    assert (active_units(means, labels), active_units(means)) == (1, 2)
