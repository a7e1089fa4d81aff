import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.distributions import normal_log_prob
from vae_jax.estimators import iwae_bound, log_weight, make_split_bound, split
from vae_jax.models import make_model
from vae_jax.types import InputError, Model, Posterior

SHAPE = (4, 3, 1)


@pytest.fixture
def trained(make_config):
    """A VAE with two latent dimensions whose posteriors and decoder are far from their first values."""
    model = make_model(make_config(latent_dim=2), SHAPE)
    params = model.init(jax.random.key(3), jnp.full(SHAPE, 0.4))
    params = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(4), leaf.shape), params)
    return model, params


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, *SHAPE), np.uint8)


def pixels(images: np.ndarray, kind: str) -> np.ndarray:
    return images / np.float32(255) if kind == "grey" else (images > 127).astype(np.float32)


def quadrature(model: Model, params, x: jax.Array) -> np.ndarray:
    """log p(x) [B] of a model with one latent dimension."""
    grid = np.linspace(-8, 8, 1001, dtype=np.float32)[:, None]
    outputs = model.decode(params, jnp.asarray(grid))
    assert model.log_prior is not None
    prior = np.asarray(model.log_prior(params, jnp.asarray(grid)), np.float64)
    rows = [model.log_likelihood(params, jnp.broadcast_to(one, outputs.shape), outputs) for one in x]
    joint = np.asarray(rows, np.float64) + prior
    return np.logaddexp.reduce(joint, axis=1) + math.log(grid[1, 0] - grid[0, 0])


def linear_gaussian(slope: float, sigma: float, spread: float) -> Model:
    """x = slope z + noise on one pixel, z ~ N(0, 1); q has the exact mean, and `spread` times the exact deviation."""
    precision = 1 + slope**2 / sigma**2
    logvar = 2 * math.log(spread) - math.log(precision)

    def encode(params, x, key=None):
        mean = x.reshape(len(x), 1) * slope / sigma**2 / precision
        return Posterior(mean, jnp.full_like(mean, logvar))

    def log_likelihood(params, x, outputs):
        return normal_log_prob(x, outputs, jnp.full_like(x, 2 * math.log(sigma))).sum(axis=(1, 2, 3))

    def sample(params, key, q):
        return q.mean + jnp.exp(q.logvar / 2) * jax.random.normal(key, q.mean.shape)

    return Model(
        init=lambda key, mean: {},
        encode=encode,
        reparameterize=sample,
        decode=lambda params, z, key=None: (slope * z)[:, None, None, :],
        log_likelihood=log_likelihood,
        pixel_mean=lambda params, outputs: outputs,
        log_prior=lambda params, z: normal_log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z)).sum(axis=1),
        log_posterior=lambda params, q, z: normal_log_prob(z, q.mean, q.logvar).sum(axis=1),
        kl_terms=None,
        sample_prior=None,
    )


def test_an_exact_posterior_gives_the_exact_likelihood_from_one_sample(key):
    slope, sigma = 1.5, 0.7
    x = jnp.linspace(0, 1, 9).reshape(9, 1, 1, 1)
    total = jnp.full((9,), 2 * math.log(math.hypot(slope, sigma)))
    truth = normal_log_prob(x.reshape(9), jnp.zeros(9), total)
    for num_samples in (1, 3):
        found = iwae_bound(linear_gaussian(slope, sigma, 1.0), {}, key, x, num_samples)
        np.testing.assert_allclose(found, truth, atol=1e-5)
    wide = linear_gaussian(slope, sigma, 1.5)
    np.testing.assert_allclose(iwae_bound(wide, {}, key, x, 5000), truth, atol=0.03)
    assert float((iwae_bound(wide, {}, key, x, 1) - truth).mean()) < -0.05


@pytest.mark.parametrize("kind", [pytest.param("binary", marks=pytest.mark.slow), "grey"])
def test_many_samples_reach_the_likelihood_that_quadrature_finds(make_config, images, key, kind):
    model = make_model(make_config(latent_dim=1), SHAPE)
    params = model.init(jax.random.key(3), jnp.full(SHAPE, 0.4))
    params = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(4), leaf.shape), params)
    x = jnp.asarray(pixels(images, kind))
    bound = iwae_bound(model, params, key, x, 5000)
    assert (np.asarray(iwae_bound(model, params, key, x, 2)) != np.asarray(bound)).all()
    np.testing.assert_allclose(bound, quadrature(model, params, x), atol=0.03)


def test_one_sample_is_the_weight_of_its_key_and_on_average_the_elbo(trained, images, key):
    model, params = trained
    x = jnp.asarray(pixels(images, "binary"))
    same = log_weight(model, params, jax.random.fold_in(key, 0), x)
    np.testing.assert_allclose(iwae_bound(model, params, key, x, 1), same, rtol=1e-6)

    def with_closed_kl(key):
        """The one-sample elbo of the objective, from the same z."""
        posterior = model.encode(params, x)
        z = model.reparameterize(params, key, posterior)
        assert model.kl_terms is not None
        kl = model.kl_terms(params, posterior, z).sum(axis=1)
        return model.log_likelihood(params, x, model.decode(params, z)) - kl

    keys = jax.random.split(key, 4000)
    difference = jax.jit(jax.vmap(lambda key: log_weight(model, params, key, x) - with_closed_kl(key)))(keys)
    error = np.asarray(difference).std(axis=0) / math.sqrt(len(keys))
    assert (error > 0).all()
    assert (np.abs(np.asarray(difference).mean(axis=0)) < 4 * error).all()


def test_more_samples_are_tighter_on_average(trained, images, key):
    model, params = trained
    x = jnp.asarray(pixels(images, "grey"))
    keys = jax.random.split(key, 500)
    means = [jax.jit(jax.vmap(lambda key, s=s: iwae_bound(model, params, key, x, s)))(keys).mean() for s in (1, 3, 20)]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.01


@pytest.mark.parametrize("binary", [True, False])
def test_a_splits_bound_is_that_of_its_images_however_the_work_is_cut(trained, images, key, binary):
    model, params = trained
    images = (images // 128) * np.uint8(255) if binary else images
    x = jnp.asarray(images / np.float32(255))
    bound = jax.jit(lambda key, x: iwae_bound(model, params, key, x, 50)[0])
    alone = np.array([bound(jax.random.fold_in(key, i), x[i : i + 1]) for i in range(len(x))])
    for num_bytes in (1000, 5000, None):
        found = make_split_bound(model, 50, num_bytes)(params, key, images)
        assert found.shape == (7,)
        np.testing.assert_allclose(found, alone, rtol=1e-5, err_msg=str(num_bytes))
    few = make_split_bound(model, 50)(params, key, images[:3])
    np.testing.assert_allclose(few, alone[:3], rtol=1e-5)


@pytest.mark.parametrize(
    ("num_samples", "num_bytes"), [(1, 1), (1000, None), (50, 48 * 100), (7, 48 * 3), (33, 48 * 64)]
)
def test_a_call_stays_within_its_bytes_and_every_sample_is_drawn_once(trained, images, num_samples, num_bytes):
    model, params = trained
    size, parts = split._cut(model, params, images, num_samples, num_bytes)
    pair = 4 * math.prod(SHAPE)
    assert 1 <= size <= len(images)
    assert size * len(parts[0]) * pair <= max(pair, num_bytes or split.CACHE_BYTES)
    drawn = np.concatenate(parts)
    np.testing.assert_array_equal(drawn, np.arange(len(drawn)))
    assert num_samples <= len(drawn) < num_samples + len(parts[0])


def test_a_model_without_a_prior_is_refused(make_config, images, key):
    model = make_model(make_config(model="ae", objective="reconstruction", likelihood="gaussian"), SHAPE)
    params = model.init(key, jnp.full(SHAPE, 0.4))
    x = jnp.asarray(pixels(images, "grey"))
    for refused in (
        functools.partial(log_weight, model, params, key, x),
        functools.partial(iwae_bound, model, params, key, x, 2),
        functools.partial(make_split_bound, model, 2),
    ):
        with pytest.raises(InputError, match="no prior"):
            refused()
