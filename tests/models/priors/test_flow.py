"""Tests of flow priors against Jacobians, grids and the standard normal prior; test_contract.py tests what all models share."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.objective import terms_of
from support.slow import first_fast

from vae_jax.config import flatten
from vae_jax.config.combinations import combination_problems
from vae_jax.config.validation import key_problems
from vae_jax.evaluation.estimators import make_split_bound
from vae_jax.models import make_model, require_prior, require_rate
from vae_jax.models.priors.couplings import LARGEST_LOG_SCALE, make_couplings
from vae_jax.models.priors.flow import KINDS
from vae_jax.models.priors.splines import TAIL, spline
from vae_jax.objectives.forward import forward
from vae_jax.types import Batch, Sample, Spec

SHAPE = (3, 2, 1)
SPEC = Spec(SHAPE, num_train=12)
SAMPLE = Sample(jnp.full(SHAPE, 0.5), np.zeros((0, *SHAPE), np.uint8))


def moved(params, scale=0.1):
    """Return parameters away from those of the identity."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + scale * rng.normal(size=leaf.shape).astype(np.float32), params)


@cache
def made(kind, size, layers):
    """Return (initial parameters, the compiled function (params, z) -> (u, log det, z again, Jacobians))."""
    flow = make_couplings(size, layers, (6,), KINDS[kind](4))

    def one(params, z):
        return flow.forward(params, z[None])[0][0]

    def everything(params, z):
        u, log_det = flow.forward(params, z)
        return u, log_det, flow.inverse(params, u), jax.vmap(jax.jacfwd(one, 1), (None, 0))(params, z)

    return flow.init(jax.random.key(0)), jax.jit(everything)


def points(size):
    """Return points on both sides of the splines' ends, and some at them."""
    z = 2 * np.random.default_rng(1).normal(size=(60, size)).astype(np.float32)
    z[:6] = np.array([0, TAIL, -TAIL, TAIL + 1, -TAIL - 3, TAIL / 2], np.float32)[:, None]
    return z


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_is_undone_by_its_inverse_and_its_log_det_is_that_of_its_jacobian(kind):
    params, compute = made(kind, 3, 2)
    z = points(3)
    u, log_det, back, jacobians = map(np.asarray, compute(moved(params), z))
    assert np.abs(u - z).max() > 0.3
    np.testing.assert_allclose(back, z, atol=1e-5, rtol=1e-5)
    signs, truth = np.linalg.slogdet(jacobians.astype(np.float64))
    np.testing.assert_allclose(log_det, truth, atol=2e-5)
    assert (signs == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "layers"), [(2, 1), (2, 2), (5, 7), (8, 6)])
def test_steep_flows_of_any_size_are_exact_in_float64(kind, size, layers):
    """Float32 is not enough here: the inverse multiplies rounding errors by up to 1 / slope."""
    with jax.enable_x64(True):
        params, compute = made.__wrapped__(kind, size, layers)
        params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), moved(params, 0.3))
        z = points(size).astype(np.float64)
        u, log_det, back, jacobians = map(np.asarray, compute(params, z))
    assert np.abs(log_det).max() > 1
    np.testing.assert_allclose(back, z, atol=1e-6)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobians)[1], atol=1e-8)
    if layers == 1:
        np.testing.assert_array_equal(u[:, 0], z[:, 0])
    if layers >= 6:
        assert (np.abs(jacobians).max(axis=0) > 0).all(), "every number of u depends on all of z"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_of_forty_dimensions_is_undone_in_float32(kind):
    flow = make_couplings(40, 6, (128, 128), KINDS[kind](8))
    params, z = moved(flow.init(jax.random.key(0)), 0.01), jax.random.normal(jax.random.key(1), (200, 40))
    u, log_det = jax.jit(flow.forward)(params, z)
    assert float(jnp.abs(u - z).max()) > 0.3
    assert float(jnp.abs(log_det).max()) > 1
    np.testing.assert_allclose(jax.jit(flow.inverse)(params, u), z, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_starts_as_the_identity(kind):
    params, compute = made(kind, 3, 2)
    z = points(3)
    u, log_det, back, _ = compute(params, z)
    np.testing.assert_allclose(u, z, atol=1e-6)
    np.testing.assert_allclose(back, z, atol=1e-6)
    np.testing.assert_allclose(log_det, 0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_parameters_leave_everything_finite_and_the_scales_bounded(kind):
    params, compute = made(kind, 3, 2)
    z = points(3)
    for scale in (10.0, 1e4):
        u, log_det, back, jacobians = map(np.asarray, compute(moved(params, scale), z))
        assert all(np.isfinite(values).all() for values in (u, log_det, back, jacobians))
        if kind == "realnvp":
            assert np.abs(log_det).max() <= LARGEST_LOG_SCALE * 3 * (1 + 1e-6)


@pytest.mark.parametrize("kind", first_fast(KINDS))
def test_the_density_of_a_flow_integrates_to_one_and_is_that_of_its_draws(make_config, kind):
    config = make_config(latent_dim=2, prior="flow", **{"flow.kind": kind, "flow.layers": 2, "flow.hidden_dims": (6,)})
    prior = require_prior(make_model(config, SPEC))
    assert prior.log_prob is not None
    log_prob = prior.log_prob
    flow = make_couplings(2, 2, (6,), KINDS[kind](8))
    axis = np.linspace(-10, 10, 401, dtype=np.float32)
    plane = jnp.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    key = jax.random.key(1)

    @jax.jit
    def compute(params):
        draws = jnp.concatenate([prior.sample(params, key, 50, temperature) for temperature in (1.0, 0.1)])
        return log_prob(params, plane), flow.forward(params["prior"], draws)[0]

    log_density, u = compute({"prior": moved(flow.init(jax.random.key(0)))})
    density = np.exp(np.asarray(log_density, np.float64))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-4)
    assert np.abs(density - scipy.stats.norm.pdf(plane).prod(axis=1)).max() > 0.02
    normal = np.asarray(jax.random.normal(key, (50, 2)))
    np.testing.assert_allclose(u, np.concatenate([normal, 0.1 * normal]), atol=1e-5)


def test_a_spline_increases_and_its_slope_is_continuous_and_one_at_its_ends():
    shape = spline(5)
    raw = jnp.asarray(np.random.default_rng(0).normal(size=(1, shape.parameters, 6)), jnp.float32)
    x = np.linspace(-TAIL - 1, TAIL + 1, 12_001, dtype=np.float32)
    across = jnp.broadcast_to(x[:, None], (len(x), 6))
    y, log_slope = map(np.asarray, jax.jit(shape.forward)(across, raw.repeat(len(x), 0)))
    assert (np.diff(y, axis=0) > 0).all()
    rise = np.diff(y.astype(np.float64), axis=0) / np.diff(x.astype(np.float64))[:, None]
    slope = np.exp(log_slope.astype(np.float64))
    np.testing.assert_allclose(rise, (slope[1:] + slope[:-1]) / 2, rtol=0.02, atol=2e-3)
    outside = np.abs(x) >= TAIL
    np.testing.assert_array_equal(y[outside], np.asarray(across)[outside])
    np.testing.assert_array_equal(log_slope[outside], 0)
    assert np.abs(np.diff(log_slope, axis=0)).max() < 0.2, "the slope does not jump, at the ends neither"
    assert np.abs(log_slope).max() > 1


@pytest.mark.slow
def test_at_the_start_the_elbo_is_that_of_the_standard_prior_with_a_sampled_kl(make_config):
    config = make_config(latent_dim=5, prior="flow", **{"flow.layers": 2, "flow.hidden_dims": (6,)})
    plain = make_model(make_config(latent_dim=5, prior="standard"), SPEC)
    model = make_model(config, SPEC)
    key, x = jax.random.key(3), jax.random.uniform(jax.random.key(4), (9, *SHAPE))

    @jax.jit
    def compute():
        params, same = (each.init(jax.random.key(0), SAMPLE) for each in (model, plain))
        once = forward(plain, same, key, Batch(x), False)
        assert once.draw.log_q is not None
        ratio = once.draw.log_q - require_rate(plain)[0](same, once.draw.z)
        elbo = terms_of(config, model, params, key, x, train=False)["elbo"]
        return params, same, elbo, -once.reconstruction - ratio

    params, same, elbo, sampled = compute()
    jax.tree.map(np.testing.assert_array_equal, params | {"prior": {}}, same)
    np.testing.assert_allclose(elbo, sampled, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_samples_converge_to_the_likelihood_computed_on_a_grid(make_config, kind):
    own = {"flow.kind": kind, "flow.layers": 3, "flow.hidden_dims": (6,)}
    config = make_config(latent_dim=2, hidden_dims=(5,), activation="tanh", prior="flow", binarize="dynamic", **own)
    model = make_model(config, SPEC)
    params = moved(jax.jit(model.init)(jax.random.key(0), SAMPLE))
    # Wide posteriors give weights of finite variance.
    params["encoder"]["output"]["bias"] += jnp.array([0.0, 0.0, 1.5, 1.5])
    x = (np.asarray(jax.random.bernoulli(jax.random.key(8), 0.5, (5, *SHAPE))) * 255).astype(np.uint8)
    axis = np.linspace(-9, 9, 361, dtype=np.float32)
    plane = jnp.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    outputs, log_prior = model.decode(params, plane), require_rate(model)[0](params, plane)
    rows = [model.log_likelihood(params, jnp.broadcast_to(one / jnp.float32(255), outputs.shape), outputs) for one in x]
    joint = np.asarray(rows, np.float64) + np.asarray(log_prior, np.float64)
    truth = scipy.special.logsumexp(joint, axis=1) + 2 * np.log(axis[1] - axis[0])
    bound = make_split_bound(model, 10_000)(params, jax.random.key(0), x)
    np.testing.assert_allclose(bound, truth, atol=0.03)


def test_what_a_flow_cannot_do_is_refused_in_one_line(make_config):
    flat = flatten(make_config(prior="flow"))
    assert combination_problems(flat) == []
    (problem,) = combination_problems(flat | {"latent_dim": 1})
    assert problem.startswith("prior=flow, latent_dim=1: ")
    assert problem.endswith("choices: latent_dim of 2 or more, or another prior, such as mixture")
    (problem,) = combination_problems(flat | {"flow.bins": 4})
    assert problem == "flow.bins=4: only splines have bins, and flow.kind=realnvp; choices: flow.kind=spline"
    assert combination_problems(flat | {"flow.bins": 4, "flow.kind": "spline"}) == []
    for name, value in (("flow.layers", 0), ("flow.kind", "glow"), ("flow.hidden_dims", (0,)), ("flow.bins", 1)):
        (problem,) = key_problems({name: value}, {})
        assert problem.startswith(f"{name}=")
        assert "not " in problem
