import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import sample_of
from support.objective import terms_of

from vae_jax.evaluation.evaluate import make_evaluate
from vae_jax.models import make_model
from vae_jax.objectives import OBJECTIVES, make_objective
from vae_jax.training.optimizers import make_optimizer
from vae_jax.training.step import init_state, make_hparams
from vae_jax.types import Spec, Split

SHAPE = (4, 3, 1)
DAE = {"model": "ae", "objective": "denoising", "likelihood": "gaussian"}


def test_the_noise_has_the_given_mean_and_deviation_and_is_not_clipped(make_config, key):
    corrupt = (
        OBJECTIVES["denoising"].make(make_config(**DAE, denoising__noise_mean=0.2, denoising__noise_std=0.5), 1).corrupt
    )
    assert corrupt is not None
    noise = np.asarray(corrupt(key, jnp.full((100, 10, 10, 1), 0.9)), np.float64) - 0.9
    assert noise.mean() == pytest.approx(0.2, abs=4 * 0.5 / 100)
    assert noise.std() == pytest.approx(0.5, rel=0.03)
    assert noise.min() < -0.9
    assert abs(np.corrcoef(noise[:, 0, 0, 0], noise[:, 0, 1, 0])[0, 1]) < 0.4
    assert OBJECTIVES["elbo"].make(make_config(), 1).corrupt is None


@pytest.mark.parametrize("train", [True, False])
def test_the_noise_is_added_to_the_input_only(make_config, key, train):
    config = make_config(**DAE, denoising__noise_mean=0.25)
    model, x = make_model(config, Spec(SHAPE)), jax.random.uniform(key, (8, *SHAPE))
    params = model.init(key, sample_of(x.mean(axis=0)))
    outputs = model.decode(params, model.encode(params, x + 0.25).mean)
    terms = terms_of(config, model, params, key, x, train=train)
    np.testing.assert_allclose(terms["loss"], -model.log_likelihood(params, x, outputs), rtol=1e-5)
    assert model.pixel_mean is not None
    expected = jnp.square(x - model.pixel_mean(params, outputs)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(terms["mse"], expected, rtol=1e-4)


def test_evaluation_uses_fixed_noise_and_reports_noisy_and_clean_reconstructions(make_config, key):
    config = make_config(**DAE, denoising__noise_std=2.0, eval__batch_size=5)
    model = make_model(config, Spec(SHAPE))
    state = init_state(model.init(key, sample_of(jnp.full(SHAPE, 0.4))), make_optimizer(config, 10))
    images = np.random.default_rng(0).integers(0, 256, (12, *SHAPE), np.uint8)
    split = Split(images, np.zeros(12, np.int32))
    evaluate = make_evaluate(config, model, make_objective(config, model, 10))
    metrics = [evaluate(state, jax.random.key(seed), split, make_hparams(config)).metrics for seed in (5, 5, 6)]
    assert metrics[0] == metrics[1]
    assert list(metrics[0]) == ["loss", "mse", "mse_mean", "psnr"]
    assert metrics[0]["mse"] != metrics[2]["mse"]
    assert metrics[0]["mse_mean"] == metrics[2]["mse_mean"]
    x = jnp.asarray(images / np.float32(255))
    assert model.pixel_mean is not None
    clean = model.pixel_mean(state.params, model.decode(state.params, model.encode(state.params, x).mean))
    assert metrics[0]["mse_mean"] == pytest.approx(float(jnp.square(clean - x).mean()), rel=1e-5)
