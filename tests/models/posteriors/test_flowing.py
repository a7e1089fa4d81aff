"""The flow posteriors against the Jacobian of their draws, their inverses, and the VAE that they are with steps of zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from support.models import compiled, sample_of
from support.slow import fast_if

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.models import make_model
from vae_jax.models.networks.made import make_made
from vae_jax.models.posteriors import POSTERIORS, make_posterior
from vae_jax.models.posteriors.planar import planar_step
from vae_jax.models.posteriors.sylvester import reflect
from vae_jax.types import Spec

FLOWS = {
    "iaf": {"iaf.steps": 2, "iaf.hidden_dims": (16,), "iaf.context": 8},
    "planar": {"planar.steps": 4},
    "sylvester": {"sylvester.steps": 2, "sylvester.reflections": 3},
}
SIZE, ROWS = 4, 3


def family_of(make_config, name, size=SIZE, scale=1.0):
    """Return (family, params, posterior) with steps far from the identity."""
    config = make_config(posterior=name, latent_dim=size, **FLOWS[name])
    family, params = make_posterior(config), {}
    if family.init is not None:
        rng = np.random.default_rng(0)
        shapes = jax.eval_shape(family.init, jax.random.key(0))
        params = {
            "posterior": jax.tree.map(lambda leaf: jnp.asarray(0.15 * rng.normal(size=leaf.shape), jnp.float32), shapes)
        }
    features = scale * jax.random.normal(jax.random.key(1), (ROWS, family.num_features))
    return family, params, family.posterior(features)


def shifted(posterior, mean):
    return posterior._replace(base=posterior.base._replace(mean=mean))


@pytest.mark.parametrize("size", fast_if([1, SIZE], lambda size: size == SIZE))
@pytest.mark.parametrize("name", FLOWS)
def test_the_density_of_a_draw_has_the_log_determinant_of_its_jacobian(make_config, name, size):
    family, params, posterior = family_of(make_config, name, size)

    @jax.jit
    def moved(mean):
        """The noise-free draw starts at the mean, where log q_0 is that of a standard normal at 0."""
        draw = family.reparameterize(params, None, shifted(posterior, mean))
        return draw.z, draw.log_q

    starts = jax.random.normal(jax.random.key(2), (ROWS, size))
    jacobian = np.asarray(jax.jit(jax.jacobian(lambda mean: moved(mean)[0]))(starts), np.float64)
    _, log_q = moved(starts)
    log_dets = [np.linalg.slogdet(jacobian[row, :, row])[1] for row in range(ROWS)]
    assert max(map(abs, log_dets)) > 0.05, "steps that move nothing would pass"
    for row, log_det in enumerate(log_dets):
        base = -0.5 * np.sum(np.log(2 * np.pi) + np.asarray(posterior.base.logvar[row], np.float64))
        assert float(log_q[row]) == pytest.approx(base - log_det, abs=1e-4)


@pytest.mark.parametrize("size", fast_if([1, SIZE], lambda size: size == SIZE))
@pytest.mark.parametrize("name", ["iaf", "sylvester"])
def test_the_density_of_any_z_is_that_of_the_draw_that_gives_it(make_config, name, size):
    family, params, posterior = family_of(make_config, name, size)
    assert family.log_prob is not None
    draw = jax.jit(family.reparameterize)(params, jax.random.key(3), posterior)
    found = jax.jit(family.log_prob)(params, posterior, draw.z)
    np.testing.assert_allclose(found, np.asarray(draw.log_q), rtol=1e-4, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iaf", "sylvester"])
def test_the_density_of_any_z_has_the_gradients_of_finite_differences(make_config, name):
    """Sticking the landing and DReG differentiate it, for z and for what the encoder gives."""
    family, params, posterior = family_of(make_config, name)
    log_prob = family.log_prob
    assert log_prob is not None
    z = family.reparameterize(params, None, posterior).z + 0.3
    flat, unravel = ravel_pytree((z, posterior))

    @jax.jit
    def total(numbers):
        at, own = unravel(numbers)
        return log_prob(params, own, at).sum()

    gradient = np.asarray(jax.jit(jax.grad(total))(flat), np.float64)
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=flat.shape)
        direction[: z.size] *= seed != 1  # once in the numbers of q alone
        step = 2e-3 * direction.astype(np.float32)
        slope = (float(total(flat + step)) - float(total(flat - step))) / 4e-3
        assert slope == pytest.approx(gradient @ direction, rel=0.02, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iaf", "sylvester"])
def test_the_density_integrates_to_one_on_a_grid(make_config, name):
    family, params, posterior = family_of(make_config, name, 2, scale=0.7)
    axis = np.linspace(-12, 12, 481, dtype=np.float32)
    plane = jnp.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    one = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], (len(plane), *leaf.shape[1:])), posterior)
    assert family.log_prob is not None
    density = np.exp(np.asarray(jax.jit(family.log_prob)(params, one, plane), np.float64))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=5e-3)


@pytest.mark.slow
def test_draws_of_a_planar_flow_have_the_density_that_they_name(make_config):
    """E_q[f(z) / q(z)] is 1 for a density f inside of q's support."""
    family, params, posterior = family_of(make_config, "planar", 2, scale=0.5)
    many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], (100_000, *leaf.shape[1:])), posterior)
    draw = jax.jit(family.reparameterize)(params, jax.random.key(4), many)
    z = np.asarray(draw.z, np.float64)
    apart = (z - np.median(z, axis=0)) / (0.3 * z.std(axis=0))
    log_f = -0.5 * np.square(apart).sum(axis=1) - np.log(2 * np.pi) - np.log(0.3 * z.std(axis=0)).sum()
    ratio = np.exp(log_f - np.asarray(draw.log_q, np.float64))
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(ratio))


def test_a_masked_network_is_strictly_triangular_and_its_first_output_sees_the_context():
    for hidden_dims in ((7,), (9, 5)):
        made = make_made(SIZE, hidden_dims, 2, 2)
        params = jax.tree.map(
            lambda leaf: jnp.abs(leaf) + 0.1, jax.jit(made.init)(jax.random.key(0))
        )  # every unit is active
        by_z, by_context = jax.jit(jax.jacobian(made.apply, (1, 2)))(params, jnp.ones((1, SIZE)), jnp.ones((1, 2)))
        for output in by_z[0, :, :, 0]:
            assert np.array_equal(output, np.tril(output, -1))
            assert np.all(np.asarray(output)[np.tril_indices(SIZE, -1)] != 0)
        assert np.all(np.asarray(by_context)[0, :, 0, 0] != 0)


def test_reflections_are_orthogonal_and_each_others_inverse():
    vectors = jax.random.normal(jax.random.key(0), (1, 8, 6))
    eye = jnp.eye(6)
    many = jnp.broadcast_to(vectors, (6, 8, 6))
    matrix = np.asarray(reflect(many, eye), np.float64)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(6), atol=1e-6)
    np.testing.assert_allclose(reflect(many, eye, transposed=True), matrix.T, atol=1e-6)


@pytest.mark.parametrize("name", ["planar", "sylvester"])
def test_steps_of_zero_are_the_identity(make_config, name):
    family, params, _ = family_of(make_config, name)
    features = jax.random.normal(jax.random.key(5), (ROWS, family.num_features)).at[:, 2 * SIZE :].set(0)
    draw = family.reparameterize(params, jax.random.key(6), family.posterior(features))
    plain = make_posterior(make_config(latent_dim=SIZE))
    expected = plain.reparameterize({}, jax.random.key(6), plain.posterior(features[:, : 2 * SIZE]))
    np.testing.assert_array_equal(draw.z, expected.z)
    np.testing.assert_allclose(np.asarray(draw.log_q), np.asarray(expected.log_q), rtol=1e-6)


def test_a_planar_step_is_finite_at_w_of_zero_and_keeps_its_digits_for_any_u():
    """For w . u far below 0 the step nearly folds space: 1 + u' . w is tiny, and must not be computed as a difference."""
    z, bias = 1e-2 * jax.random.normal(jax.random.key(0), (500, SIZE)), jnp.zeros((500, 1))
    w = jax.random.normal(jax.random.key(1), (500, SIZE)).at[0].set(0.0)
    u = jnp.linspace(-8, 1, 500)[:, None] * w + 0.1

    @jax.jit
    def step(w):
        moved, log_det = planar_step(w, u, bias, z)
        return moved.sum() + log_det.sum(), log_det

    (total, log_det), gradient = jax.value_and_grad(step, has_aux=True)(w)
    assert np.isfinite(total)
    assert np.isfinite(gradient).all()
    along, inside = (np.sum(np.asarray(w, np.float64) * np.asarray(a, np.float64), axis=1) for a in (u, z))
    stretch, turned = np.logaddexp(0, along + np.log(np.e - 1)), np.tanh(inside)
    np.testing.assert_allclose(log_det, np.log(turned**2 + (1 - turned**2) * stretch), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_posterior_has_a_density_of_any_z_or_says_that_it_has_none(make_config, key, name):
    model = compiled(make_model(make_config(posterior=name, latent_dim=3, **FLOWS[name]), Spec((4, 4, 1))))
    assert model.rate is not None
    assert (model.rate.log_posterior is None) == (name == "planar")
    assert model.layers is not None
    params = jax.eval_shape(model.init, key, sample_of(np.full((4, 4, 1), 0.5)))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), params)
    assert model.layers(params).encoder == []


def test_a_masked_network_without_hidden_units_is_refused():
    flat = config_lib.flatten(config_lib.defaults()) | {"posterior": "iaf", "iaf.hidden_dims": ()}
    with pytest.raises(InputError, match=r"^iaf.hidden_dims=\(\): a masked network needs"):
        config_lib.validate(config_lib.nest(flat), {})


def test_every_posterior_is_tested():
    assert {*FLOWS, "diagonal", "full", "power_spherical"} == POSTERIORS.keys()
