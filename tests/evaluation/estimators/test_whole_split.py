import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.models import sample_of

from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import (
    iwae_bound,
    log_mean,
    log_weight,
    make_split_bound,
    make_split_weights,
    whole_split,
)
from vae_jax.models import make_model
from vae_jax.types import Spec

SHAPE = (4, 3, 1)


@pytest.fixture(scope="module")
def trained(make_config):
    """Return a VAE with two latent dimensions whose posteriors and decoder are far from their initial values."""
    model = make_model(make_config(latent_dim=2), Spec(SHAPE))
    params = jax.device_get(jax.jit(model.init)(jax.random.key(3), sample_of(jnp.full(SHAPE, 0.4))))
    rng = np.random.default_rng(4)
    return model, jax.tree.map(
        lambda leaf: leaf + np.float32(0.1) * rng.normal(size=leaf.shape).astype(np.float32), params
    )


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, *SHAPE), np.uint8)


def test_the_bound_of_a_split_does_not_depend_on_the_chunk_sizes(trained, images, key):
    model, params = trained
    x = jnp.asarray(images / np.float32(255))
    bound = jax.jit(lambda key, x: iwae_bound(model, params, key, x, 50)[0])
    alone = np.array([bound(jax.random.fold_in(key, i), x[i : i + 1]) for i in range(len(x))])
    for num_bytes, calls in ((3 * 48, 3), (1000, 1), (None, 1)):  # 48 bytes per image and sample
        blocks = list(make_split_weights(model, 50, num_bytes)(params, key, images))
        assert len(blocks) == calls
        found = log_mean(np.concatenate([block.log_weights for block in blocks]))
        np.testing.assert_allclose(found, alone, rtol=1e-5, err_msg=str(num_bytes))
    few = make_split_bound(model, 50)(params, key, images[:3])
    np.testing.assert_allclose(few, alone[:3], rtol=1e-5)
    for others in (images[3:], x[3:]):  # as bytes and as numbers in [0, 1]
        [rest] = make_split_weights(model, 50)(params, key, others, first=3)
        np.testing.assert_allclose(log_mean(rest.log_weights), alone[3:], rtol=1e-5)


@pytest.mark.parametrize(
    ("num_samples", "num_bytes"), [(1, 1), (1000, None), (50, 48 * 100), (7, 48 * 3), (33, 48 * 64)]
)
def test_a_call_respects_the_byte_limit_and_every_sample_is_drawn_once(trained, images, num_samples, num_bytes):
    model, params = trained
    size, parts = whole_split._cut(model, params, images, num_samples, num_bytes)
    pair = 4 * math.prod(SHAPE)
    assert 1 <= size <= len(images)
    assert size * len(parts[0]) * pair <= max(pair, num_bytes or whole_split.CACHE_BYTES)
    drawn = np.concatenate(parts)
    np.testing.assert_array_equal(drawn, np.arange(len(drawn)))
    assert num_samples <= len(drawn) < num_samples + len(parts[0])


def test_a_model_without_a_prior_is_refused(make_config, images, key):
    model = make_model(make_config(model="ae", objective="reconstruction", likelihood="gaussian"), Spec(SHAPE))
    given = jax.eval_shape(model.init, key, sample_of(jnp.full(SHAPE, 0.4))), key, jnp.zeros(images.shape)
    for refused in (
        functools.partial(jax.eval_shape, functools.partial(log_weight, model), *given),
        functools.partial(jax.eval_shape, functools.partial(iwae_bound, model, num_samples=2), *given),
        functools.partial(make_split_bound, model, 2),
    ):
        with pytest.raises(InputError, match="no prior"):
            refused()
