"""Tests of the autoregressive likelihood: its order, its masses, its draws, what z does to it, and what it does not fit."""

import functools
import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.models import compiled, sample_of
from support.objective import terms_of
from support.slow import fast_if

from vae_jax import config as config_lib
from vae_jax.config import registries
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_split_bound
from vae_jax.models import make_model, require_rate
from vae_jax.models.likelihoods import asks_levels, make_likelihood
from vae_jax.models.likelihoods.pixelcnn import level_of
from vae_jax.models.networks.gated_stacks import Given
from vae_jax.models.networks.pixelcnn import make_pixelcnn
from vae_jax.objectives import OBJECTIVES, make_objective
from vae_jax.types import Likelihood, Spec

SMALL = {"likelihood": "pixelcnn", "pixelcnn__features": 6, "pixelcnn__layers": 2, "pixelcnn__outputs": 5}
SQUARE = np.array(list(itertools.product((0.0, 1.0), repeat=4)), np.float32).reshape(16, 2, 2, 1)
"""All binary images of 2 x 2."""
NUM_Z = 3


def random_like(shapes: Any, seed: int = 1, scale: float = 0.5) -> Any:
    """Return random arrays of these shapes: params far from the initial ones, whose last layer is 0."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(scale * rng.normal(size=leaf.shape), jnp.float32), shapes)


def network_of(grid, channels, num_values):
    """Return the network of the likelihood SMALL."""
    return make_pixelcnn(grid, channels, num_values, 6, 2, 3, given=(0, 5 * channels))


class FourBits(NamedTuple):
    """The likelihood of 2 x 2 binary pixels at three z."""

    likelihood: Likelihood
    params: Any
    outputs: Any
    """The decoder's outputs of each z."""
    log_p: np.ndarray
    """The log-masses [3, 16] of all images."""


@functools.cache
def four_bits(make_config) -> FourBits:
    likelihood = make_likelihood(make_config(**SMALL, binarize="dynamic"), Spec((2, 2, 1), levels=256))
    params = random_like(jax.eval_shape(likelihood.init, jax.random.key(0)), scale=0.8)
    outputs = jnp.asarray(np.random.default_rng(2).normal(size=(NUM_Z, 2, 2, 5)), jnp.float32)
    every = jnp.tile(SQUARE, (NUM_Z, 1, 1, 1))
    log_p = jax.jit(likelihood.log_prob)(params, every, jnp.repeat(outputs, 16, axis=0))
    return FourBits(likelihood, params, outputs, np.float64(log_p).reshape(NUM_Z, 16))


def test_the_masses_of_all_images_sum_to_1_given_any_z(make_config):
    log_p = four_bits(make_config).log_p
    np.testing.assert_allclose(np.logaddexp.reduce(log_p, axis=1), 0, atol=1e-5)
    assert (log_p.std(axis=1) > 0.3).all()
    assert np.abs(log_p[0] - log_p[1]).max() > 0.1, "z has no effect"


def test_the_log_probability_is_that_of_one_pixel_after_another(make_config):
    """Each pixel's own logits are taken from a pass in which all pixels from it on are 1, unlike most images."""
    _, params, outputs, log_p = four_bits(make_config)
    logits = jax.jit(network_of((2, 2), 1, 2).logits)
    flat, sequential = SQUARE.reshape(16, 4).astype(int), np.zeros((NUM_Z, 16))
    given = Given(around=jnp.repeat(outputs, 16, axis=0))
    for t in range(4):
        prefix = np.where(np.arange(4)[None] < t, flat, 1).astype(np.int32).reshape(16, 2, 2, 1)
        own = np.float64(logits(params, jnp.tile(prefix, (NUM_Z, 1, 1, 1)), given)).reshape(NUM_Z, 16, 4, 2)[:, :, t]
        sequential += (own - np.logaddexp.reduce(own, axis=2)[..., None])[:, np.arange(16), flat[:, t]]
    np.testing.assert_allclose(sequential, log_p, rtol=1e-5)


def test_draws_are_as_frequent_as_they_are_probable(make_config, key):
    likelihood, params, outputs, log_p = four_bits(make_config)
    for z in range(2):
        rows = jnp.broadcast_to(outputs[z][None], (4000, 2, 2, 5))
        drawn = np.asarray(jax.jit(likelihood.sample)(params, key, rows))
        assert set(np.unique(drawn)) == {0, 1}
        counts = np.bincount((drawn.reshape(4000, 4) @ [8, 4, 2, 1]).astype(int), minlength=16)
        mass = np.exp(log_p[z])
        assert scipy.stats.chisquare(counts, 4000 * mass / mass.sum()).pvalue > 1e-3
        assert scipy.stats.chisquare(counts, 4000 * np.exp(log_p[2]) / np.exp(log_p[2]).sum()).pvalue < 1e-6


def test_a_pixel_depends_on_all_before_it_and_on_no_other_given_z(key):
    """The order is that of rows, of the pixels of a row, and of the channels of a pixel."""
    network, size = network_of((3, 3), 2, 2), 18
    params = random_like(jax.eval_shape(network.init, key))
    around = jax.random.normal(key, (1, 3, 3, 10))
    x = jax.random.uniform(key, (1, 3, 3, 2, 2))
    of_x, of_z = jax.jit(jax.jacrev(lambda x, z: network.logits(params, x, Given(around=z)), argnums=(0, 1)))(x, around)
    influence = np.abs(np.asarray(of_x).reshape(size, 2, size, 2)).max(axis=(1, 3))
    before = np.arange(size)[None, :] < np.arange(size)[:, None]
    assert not influence[~before].any(), "a pixel depends on itself or on a later one"
    assert (influence[before] > 0).all(), "a blind spot"
    own = np.abs(np.asarray(of_z).reshape(9, 2, 2, 9, 10)).max(axis=(1, 2, 4))
    assert (np.diag(own) > 0).all(), "a pixel does not see its own outputs of the decoder"


def test_without_the_weights_of_the_conditions_z_has_no_effect(make_config):
    likelihood, params, outputs, _ = four_bits(make_config)
    cut = jax.tree.map(lambda leaf: 0 * leaf if leaf.shape[0] == 5 else leaf, params)
    assert sum(leaf.shape[0] == 5 for leaf in jax.tree.leaves(params)) == 2, "the conditions of each of two layers"
    log_prob = jax.jit(likelihood.log_prob)
    at_z = [log_prob(cut, SQUARE, jnp.broadcast_to(own[None], (16, 2, 2, 5))) for own in outputs]
    np.testing.assert_array_equal(at_z[0], at_z[1])
    assert np.logaddexp.reduce(np.float64(at_z[0])) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("shape", "levels"), fast_if([((3, 4, 1), 2), ((2, 3, 3), 256)], lambda case: case[1] == 256))
def test_at_first_an_image_costs_the_log_of_the_levels_for_each_pixel(make_config, key, shape, levels):
    likelihood = make_likelihood(make_config(**SMALL), Spec(shape, levels=levels))
    x = jax.random.randint(key, (3, *shape), 0, levels) / jnp.float32(levels - 1)
    outputs = jax.random.normal(key, (3, *shape[:2], 5 * shape[2]))
    found = jax.jit(lambda key: likelihood.log_prob(likelihood.init(key), x, outputs))(key)
    np.testing.assert_allclose(found, np.full(3, -math.prod(shape) * math.log(levels)), rtol=1e-6)


def test_draws_are_levels_from_0_to_1(make_config, key):
    likelihood = make_likelihood(make_config(**SMALL), Spec((1, 2, 2), levels=5))
    params = random_like(jax.eval_shape(likelihood.init, key))
    drawn = 4 * np.asarray(jax.jit(likelihood.sample)(params, key, jnp.zeros((200, 1, 2, 10))))
    np.testing.assert_array_equal(np.unique(drawn), np.arange(5))


def test_stored_pixels_are_rounded_to_their_own_level():
    rounded = jax.jit(level_of)
    for number in range(2, 257):
        index = np.minimum(np.arange(256), number - 1)
        stored = np.round(255 * index / (number - 1)) / np.float32(255)
        for x in (stored, index / np.float32(number - 1)):
            found = rounded(np.float32(x).reshape(256, 1, 1, 1), np.int32(number))
            np.testing.assert_array_equal(np.ravel(found), index)


@pytest.mark.parametrize(
    ("changes", "levels", "number"),
    [({"binarize": "static_seeded"}, 256, 2), ({"levels__number": 5}, 3, 5), ({}, 17, 17), ({}, 0, 256)],
)
def test_the_values_of_a_pixel_are_2_if_binarised_or_those_of_the_data(make_config, key, changes, levels, number):
    config = make_config(**SMALL, **changes)
    likelihood = make_likelihood(config, Spec((1, 2, 3), levels=levels))
    assert jax.eval_shape(likelihood.init, key)["kernels"].shape == (3, 6, number)
    assert likelihood.discrete
    assert asks_levels(config) == ("binarize" not in changes)


@functools.cache
def model_of_one_z(make_config):
    """Return (model, params, log p(x) of all 16 images by quadrature over the one z)."""
    model = compiled(make_model(make_config(**SMALL, latent_dim=1, binarize="dynamic"), Spec((2, 2, 1))))
    shapes = jax.eval_shape(model.init, jax.random.key(0), sample_of(jnp.zeros((2, 2, 1))))
    params = random_like(shapes, scale=0.6)
    # Wide posteriors: importance sampling has to reach all of p(z|x).
    params["encoder"] = jax.tree.map(lambda leaf: 0.2 * leaf, params["encoder"])
    z = np.linspace(-7, 7, 401)[:, None].astype(np.float32)
    log_prior, _ = require_rate(model)

    @jax.jit
    def joint(z):
        outputs = jnp.repeat(model.decode(params, z), 16, axis=0)
        log_p = model.log_likelihood(params, jnp.tile(SQUARE, (len(z), 1, 1, 1)), outputs)
        return log_p.reshape(len(z), 16) + log_prior(params, z)[:, None]

    log_p = scipy.special.logsumexp(np.float64(joint(z)), axis=0) + np.log(z[1, 0] - z[0, 0])
    return model, params, log_p


@pytest.mark.slow
def test_the_elbo_is_below_log_p_and_importance_sampling_reaches_it(make_config, key):
    model, params, log_p = model_of_one_z(make_config)
    assert scipy.special.logsumexp(log_p) == pytest.approx(0, abs=1e-4)
    config = make_config(**SMALL, latent_dim=1, binarize="dynamic")
    elbos = jax.jit(
        jax.vmap(lambda key: terms_of(config, model, params, key, jnp.asarray(SQUARE), 0, train=False)["elbo"])
    )
    drawn = np.float64(elbos(jax.random.split(key, 500)))
    elbo, error = drawn.mean(axis=0), drawn.std(axis=0) / np.sqrt(500)
    assert (elbo < log_p + 4 * error).all()
    assert (log_p - elbo > 4 * error).any()
    bound = make_split_bound(model, 3000)(params, key, (255 * SQUARE).astype(np.uint8))
    np.testing.assert_allclose(bound, log_p, atol=0.05)


def test_the_decoder_learns_from_every_pixel_through_z(make_config, key):
    """The gradient of log p(x|z) reaches the decoder's outputs at each pixel, so z can carry what is far away."""
    likelihood, params, outputs, _ = four_bits(make_config)
    gradient = jax.jit(
        jax.grad(lambda outputs: likelihood.log_prob(params, jnp.asarray(SQUARE[:NUM_Z]), outputs).sum())
    )(outputs)
    assert (np.abs(gradient).max(axis=(0, 3)) > 1e-4).all()


P = {"likelihood": "pixelcnn"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {**P, "model": "ae", "objective": "reconstruction"},
            "likelihood=pixelcnn: model=ae with objective=reconstruct",
        ),
        ({**P, "model": "ae"}, "likelihood=pixelcnn: model=ae with objective=elbo"),
        (
            {**P, "objective": "denoising", "denoising.noise_std": 0.1},
            "likelihood=pixelcnn: model=vae with objective=denoi",
        ),
        ({**P, "binarize": "dynamic", "levels.number": 17}, "levels.number=17: binarize=dynamic has 2; choices: 0, 2"),
        ({**P, "levels.number": 1}, "levels.number=1: likelihood=pixelcnn needs two levels or more; choices: "),
        ({**P, "pixelcnn.kernel": 4}, "pixelcnn.kernel=4: an even kernel has no middle; choices: 1, 3, 5"),
        (
            {"likelihood": "levels", "binarize": "dynamic"},
            "binarize=dynamic: needs likelihood=bernoulli or likelihood=pix",
        ),
        (
            {"pixelcnn.outputs": 3},
            "pixelcnn.outputs=3: only likelihood=pixelcnn reads this key, and the run has likelihood=",
        ),
        (
            {"pixelcnn.features": 3},
            "pixelcnn.features=3: only prior=pixelcnn or likelihood=pixelcnn reads this key, and the run has prior=(empty), "
            "likelihood=bernoulli",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes, words):
    config = config_lib.nest(config_lib.flatten(config_lib.defaults()) | changes)
    with pytest.raises(InputError) as caught:
        config_lib.validate(config, registries.names("digits"))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(words)


@pytest.mark.parametrize("name", sorted(OBJECTIVES.keys() - {"denoising", "reconstruction"}))
@pytest.mark.slow
def test_every_other_objective_has_a_gradient_for_the_masked_network(make_config, key, name):
    config = make_config(**SMALL, objective=name, binarize="dynamic", hidden_dims=(4,))
    model = compiled(make_model(config, Spec((3, 2, 1), num_train=99)))
    x = jax.random.bernoulli(key, 0.5, (8, 3, 2, 1)).astype(jnp.float32)
    params = jax.jit(model.init)(key, sample_of(x.mean(axis=0)))
    objective = make_objective(config, model, 10)
    params |= {} if objective.init is None else {"objective": objective.init(key, model, params)}
    grads = jax.jit(jax.grad(lambda params: terms_of(config, model, params, key, x)["loss"].mean()))(params)
    sizes = [float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(grads["likelihood"])]
    assert np.isfinite(sizes).all()
    assert max(sizes) > 0.01
