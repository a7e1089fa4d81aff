"""Every prior with every posterior: importance sampling against quadrature over z, in one and in two dimensions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from support.models import compiled
from support.slow import fast_if

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.evaluation.estimators import make_split_bound
from vae_jax.models import make_model, require_rate
from vae_jax.models.posteriors import POSTERIORS
from vae_jax.models.priors import PRIORS
from vae_jax.types import Sample, Spec

SHAPE, NUM_TRAIN, SAMPLES = (3, 2, 1), 12, 16_000
OWN = {
    "vamp": {"vamp.components": 3},
    "mixture": {"mixture.components": 3},
    "flow": {"flow.layers": 2, "flow.hidden_dims": (6,)},
    "iaf": {"iaf.steps": 2, "iaf.hidden_dims": (8,), "iaf.context": 4},
    "planar": {"planar.steps": 2},
    "sylvester": {"sylvester.steps": 1, "sylvester.reflections": 2},
}


def refused(make_config, changes) -> str:
    """Return the line that refuses a config, or nothing."""
    try:
        config_lib.validate(make_config(**changes), {})
    except InputError as error:
        return str(error)
    return ""


def pairs() -> list[tuple[str, str, int]]:
    of_vectors = [name for name in PRIORS if name != "pixelcnn"]  # which is one of codes
    return list(itertools.product(of_vectors, POSTERIORS, (1, 2)))


def is_fast(case) -> bool:
    return case == ("mixture", "sylvester", 1)


def points(size: int, sphere: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return points [P, Z] of the latent space and the logarithms of their weights in an integral."""
    angle = np.linspace(-np.pi, np.pi, 401)[:-1]
    if sphere and size == 1:
        return np.stack([np.cos(angle), np.sin(angle)], axis=1), np.full(400, np.log(2 * np.pi / 400))
    if sphere:
        heights, weights = np.polynomial.legendre.leggauss(150)
        height, turn = np.meshgrid(heights, angle, indexing="ij")
        flat = np.sqrt(1 - height**2)
        where = np.stack([height, flat * np.cos(turn), flat * np.sin(turn)], axis=-1).reshape(-1, 3)
        return where, np.log(np.repeat(weights, 400) * 2 * np.pi / 400)
    axis = np.linspace(-9, 9, 4001 if size == 1 else 181)
    where = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), axis=-1).reshape(-1, size)
    return where, np.full(len(where), size * np.log(axis[1] - axis[0]))


@pytest.mark.parametrize(("prior", "posterior", "size"), fast_if(pairs(), is_fast))
def test_importance_sampling_agrees_with_quadrature(make_config, prior, posterior, size):
    changes = {"prior": prior, "posterior": posterior, "latent_dim": size, "hidden_dims": (5,), "activation": "tanh"}
    changes |= OWN.get(prior, {}) | OWN.get(posterior, {})
    line = refused(make_config, changes)
    if line:
        fits = (prior == "sphere") == (posterior == "power_spherical")
        fits &= prior != "vamp" or posterior == "diagonal"
        assert not (fits and not (prior == "flow" and size == 1)), line
        assert "choices: " in line
        return
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (NUM_TRAIN, *SHAPE)).astype(np.uint8)
    model = compiled(make_model(make_config(**changes), Spec(SHAPE, num_train=NUM_TRAIN)))
    params = jax.jit(model.init)(jax.random.key(1), Sample(jnp.asarray(images.mean(axis=0) / 255, jnp.float32), images))
    # Away from the start, but with posteriors that are wide: importance sampling has to reach all of p(z|x).
    scales = {"encoder": 0.1, "posterior": 0.1, "decoder": 0.5, "prior": 0.03 if prior == "flow" else 0.3}
    for name in sorted(scales.keys() & params.keys()):  # a set has another order in every process
        noise = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), params[name])
        params[name] = jax.tree.map(lambda leaf, own, s=scales[name]: leaf + s * own, params[name], noise)
    # The logarithms of variances, or of the deviations of a full Gaussian; the concentration on a sphere.
    widen = slice(size, 2 * size) if prior != "sphere" else slice(size + 1, None)
    bias = params["encoder"]["output"]["bias"]
    width = {"full": 0.6, "power_spherical": -3.0}.get(posterior, 1.2)
    params["encoder"]["output"]["bias"] = bias.at[widen].set(width)
    where, log_weights = points(size, prior == "sphere")
    log_prior, _ = require_rate(model)
    x = images[:4] / np.float32(255)

    @jax.jit
    def log_joint(z):
        outputs = model.decode(params, z)
        rows = [model.log_likelihood(params, jnp.broadcast_to(one[None], outputs.shape), outputs) for one in x]
        return jnp.stack(rows) + log_prior(params, z)[None]

    z = jnp.asarray(where, jnp.float32)
    log_mass = np.asarray(scipy.special.logsumexp(np.asarray(jax.jit(log_prior)(params, z), np.float64) + log_weights))
    np.testing.assert_allclose(log_mass, 0, atol=0.01, err_msg="the points do not reach all of the prior")
    joint = np.asarray(log_joint(z), np.float64)
    if prior == "sphere":
        compare_near_the_direction(model, params, x, where, joint + log_weights)
        return
    truth = np.asarray(scipy.special.logsumexp(joint + log_weights, axis=1))
    bound = make_split_bound(model, SAMPLES)(params, jax.random.key(0), images[:4])
    assert truth.std() > 0.01
    np.testing.assert_allclose(bound, truth, atol=0.05)


def compare_near_the_direction(model, params, x, where, log_terms) -> None:
    """Compare both sums over the z with direction . z > 0.

    Opposite to its direction a power spherical density is 0, so that weights have no bound there and an infinite variance.
    """
    posterior = model.encode(params, jnp.asarray(x))
    terms = np.where(np.asarray(posterior.direction) @ where.T > 0, log_terms, -np.inf)
    truth = np.asarray(scipy.special.logsumexp(terms, axis=1))

    def weigh(key):
        draw = model.reparameterize(params, key, posterior)
        log_p = model.log_likelihood(params, jnp.asarray(x), model.decode(params, draw.z))
        near = (posterior.direction * draw.z).sum(axis=1) > 0
        return jnp.where(near, log_p + model.prior.log_prob(params, draw.z) - draw.log_q, -jnp.inf)

    log_weights = np.asarray(jax.jit(jax.vmap(weigh))(jax.random.split(jax.random.key(0), SAMPLES)), np.float64)
    ratio = np.exp(log_weights - truth)
    assert (np.abs(ratio.mean(axis=0) - 1) < 4 * ratio.std(axis=0) / np.sqrt(SAMPLES) + 0.01).all()
