"""Tests of the README's table: the losses of other projects in this project's terms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.models import sample_of
from support.objective import terms_of

from vae_jax.models import make_model
from vae_jax.types import Spec

SHAPE = (28, 28, 1)
PIXELS = 784


def compare(config, key, theirs, factor, constant):
    """Assert that theirs = factor * (our loss - constant), in value and in gradient."""
    model, x = make_model(config, Spec(SHAPE)), jax.random.uniform(key, (4, *SHAPE))

    def losses(params):
        terms = terms_of(config, model, params, key, x)
        posterior = model.encode(params, x)
        key_eps = jax.random.split(key, 3)[0]
        outputs = model.decode(params, model.reparameterize(params, key_eps, posterior).z)
        kl = -0.5 * (1 + posterior.logvar - posterior.mean**2 - jnp.exp(posterior.logvar)).sum(axis=1).mean()
        return terms["loss"].mean(), theirs(x, outputs, kl)

    for seed in (0, 1):
        params = jax.jit(model.init)(jax.random.key(seed), sample_of(jnp.full(SHAPE, 0.3)))
        ours, other = losses(params)
        assert float(other) == pytest.approx(factor * (float(ours) - constant), rel=1e-5)
        ours, other = (jax.grad(lambda p, i=i: losses(p)[i])(params) for i in (0, 1))
        difference = jax.tree.map(lambda a, b: a - b / factor, ours, other)
        assert optax.tree.norm(difference) < 1e-5 * optax.tree.norm(ours)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "sigma"), [(1, 0.62610), (2, 0.31305)])
def test_mse_plus_a_thousandth_of_the_kl_is_the_elbo_of_a_gaussian_with_the_stated_sigma(
    make_config, key, width, sigma
):
    """Test pixels in [0, 1] (width 1) and in [-1, 1] (width 2)."""
    assert sigma == pytest.approx(np.sqrt(0.001 * PIXELS / 2) / width, rel=1e-4)
    config = make_config(likelihood="gaussian", gaussian__sigma=float(np.sqrt(0.001 * PIXELS / 2) / width))
    constant = PIXELS / 2 * np.log(2 * np.pi * config.gaussian.sigma**2)
    compare(config, key, lambda x, y, kl: jnp.square(width * (x - y)).mean() + 0.001 * kl, 0.001, constant)


@pytest.mark.slow
def test_mean_bce_plus_kl_over_784_is_the_elbo_over_784(make_config, key):
    def theirs(x, logits, kl):
        p = jax.nn.sigmoid(logits)
        return -(x * jnp.log(p) + (1 - x) * jnp.log(1 - p)).mean() + kl / PIXELS

    compare(make_config(likelihood="bernoulli"), key, theirs, 1 / PIXELS, 0.0)
