"""The power spherical posterior against closed forms in float64, quadrature on circle and sphere, and rotations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.models import compiled, sample_of
from support.slow import first_fast

from vae_jax import config as config_lib
from vae_jax.errors import InputError
from vae_jax.models import make_model
from vae_jax.models.posteriors import make_posterior
from vae_jax.models.posteriors.power_spherical import PowerSpherical, draw, entropy, log_density
from vae_jax.models.priors.sphere import log_area, unit
from vae_jax.types import Spec

SIZES = [2, 11]


def posterior_of(size, concentration, rows=1):
    direction = unit(jax.random.normal(jax.random.key(size), (1, size)))
    return PowerSpherical(jnp.repeat(direction, rows, axis=0), jnp.full(rows, concentration, jnp.float32))


def law_of(size, concentration):
    """Return the Beta law of (1 + direction . z) / 2."""
    rest = (size - 1) / 2
    return scipy.stats.beta(rest + concentration, rest)


@pytest.mark.parametrize("size", SIZES)
def test_density_and_entropy_are_those_of_float64_at_every_concentration(size):
    concentration = np.array([0.0, 0.5, 3.0, 40.0, 3000.0])
    posterior = posterior_of(size, 1.0, 5)._replace(concentration=jnp.asarray(concentration, jnp.float32))
    rest = (size - 1) / 2
    ratio = scipy.special.betaln(rest + concentration, rest) - scipy.special.gammaln(rest)
    log_normalizer = 2 * rest * np.log(2) + rest * np.log(np.pi) + ratio
    mean_log = scipy.special.digamma(rest + concentration) - scipy.special.digamma(2 * rest + concentration)
    found = jax.jit(entropy)(posterior)
    np.testing.assert_allclose(found, log_normalizer - concentration * mean_log, atol=3e-5, rtol=1e-5)
    share = jnp.full(5, 0.875)
    expected = concentration * np.log(0.875) - log_normalizer
    np.testing.assert_allclose(jax.jit(log_density)(posterior, share), expected, atol=3e-5, rtol=1e-5)
    assert float(found[0]) == pytest.approx(log_area(size), abs=1e-5)


@pytest.mark.parametrize("size", first_fast([3, 2]))
def test_the_density_integrates_to_one_on_the_circle_and_on_the_sphere(make_config, size):
    family = make_posterior(make_config(posterior="power_spherical", latent_dim=size - 1))
    angle = np.linspace(-np.pi, np.pi, 401)[:-1] + 1e-3
    if size == 2:
        points, weights = np.stack([np.cos(angle), np.sin(angle)], axis=1), np.full(400, 2 * np.pi / 400)
    else:
        nodes, node_weights = np.polynomial.legendre.leggauss(60)
        height, turn = np.meshgrid(nodes, angle, indexing="ij")
        flat = np.sqrt(1 - height**2)
        points = np.stack([height, flat * np.cos(turn), flat * np.sin(turn)], axis=-1).reshape(-1, 3)
        weights = np.repeat(node_weights, 400) * 2 * np.pi / 400
    posterior = posterior_of(size, 4.0, len(points))
    assert family.log_prob is not None
    log_density = jax.jit(family.log_prob)({}, posterior, jnp.asarray(points, jnp.float32))
    density = np.exp(np.asarray(log_density, np.float64))
    assert (weights * density).sum() == pytest.approx(1, abs=1e-4)
    assert weights.sum() == pytest.approx(np.exp(log_area(size)), rel=1e-6)


@pytest.mark.parametrize("size", first_fast(SIZES))
def test_draws_lie_on_the_sphere_with_the_law_of_the_density(size):
    posterior = posterior_of(size, 3.0, 4000)
    z, share = jax.jit(draw)(jax.random.key(0), posterior)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    along = np.asarray((posterior.direction * z).sum(axis=1), np.float64)
    np.testing.assert_allclose((1 + along) / 2, share, atol=1e-5)
    assert scipy.stats.kstest((1 + along) / 2, law_of(size, 3.0).cdf).pvalue > 1e-3
    around = np.asarray(z - along[:, None] * posterior.direction)
    assert np.abs(around.mean(axis=0)).max() < 5 / np.sqrt(4000)
    gained = -np.asarray(jax.jit(log_density)(posterior, share), np.float64)
    assert abs(gained.mean() - float(jax.jit(entropy)(posterior)[0])) < 5 * gained.std() / np.sqrt(4000)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "concentration"), [(5, 2.0), (11, 30.0)])
def test_gradients_of_draws_are_those_of_the_closed_form(size, concentration):
    """E[direction . z] is k / (k + size - 1): its derivative for k through draws has no bias, as rejection sampling has."""

    def mean_along(k):
        posterior = posterior_of(size, 1.0, 40_000)._replace(concentration=jnp.full(40_000, k))
        return ((posterior.direction * draw(jax.random.key(1), posterior)[0]).sum(axis=1)).mean()

    value, slope = jax.jit(jax.value_and_grad(mean_along))(jnp.float32(concentration))
    assert float(value) == pytest.approx(concentration / (concentration + size - 1), abs=0.01)
    truth = (size - 1) / (concentration + size - 1) ** 2
    assert float(slope) == pytest.approx(truth, rel=0.05)
    step = 1e-3 * concentration
    ends = [1 - 2 * law_of(size, k).mean() for k in (concentration - step, concentration + step)]
    assert truth == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_the_kl_vanishes_without_concentration_and_its_slope_is_that_of_finite_differences(make_config):
    family = make_posterior(make_config(posterior="power_spherical", latent_dim=10))
    assert family.kl_terms is not None
    kl_terms, posterior = family.kl_terms, posterior_of(11, 1.0)

    @jax.jit
    def kl(k):
        return kl_terms(posterior._replace(concentration=jnp.full(1, k)))[0, 0]

    assert float(kl(0.0)) == pytest.approx(0, abs=1e-5)
    assert 0 < float(kl(1.0)) < float(kl(10.0)) < float(kl(1000.0))
    for k in (1.0, 20.0):
        slope, step = float(jax.jit(jax.grad(kl))(k)), 0.05 * k
        assert slope == pytest.approx((float(kl(k + step)) - float(kl(k - step))) / (2 * step), rel=0.01)


@pytest.mark.slow
def test_a_rotation_turns_densities_and_the_mean_with_it(make_config):
    family, drawn = make_posterior(make_config(posterior="power_spherical", latent_dim=3)), jax.jit(draw)
    rotation = jnp.asarray(scipy.stats.special_ortho_group.rvs(4, random_state=0), jnp.float32)
    posterior = posterior_of(4, 5.0, 20_000)
    turned = posterior._replace(direction=posterior.direction @ rotation)
    z, again = (drawn(jax.random.key(2), one)[0] for one in (posterior, turned))
    assert family.log_prob is not None
    log_prob = jax.jit(family.log_prob)
    np.testing.assert_allclose(log_prob({}, turned, z @ rotation), log_prob({}, posterior, z), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(again.mean(axis=0), np.asarray(z.mean(axis=0) @ rotation), atol=0.02)


@pytest.mark.slow
def test_a_draw_in_the_direction_of_the_first_axis_and_against_it_is_finite_with_its_gradient():
    direction = jnp.concatenate([jnp.eye(1, 4), -jnp.eye(1, 4)])

    def total(k):
        return draw(jax.random.key(0), PowerSpherical(direction, k))[0].sum()

    value, slope = jax.jit(jax.value_and_grad(total))(jnp.full(2, 1e5))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_the_decoder_of_a_sphere_reads_the_direction_of_numbers_alone(make_config, key):
    model = compiled(make_model(make_config(posterior="power_spherical", latent_dim=4), Spec((4, 4, 1))))
    params = jax.jit(model.init)(key, sample_of(np.full((4, 4, 1), 0.5)))
    numbers = jax.random.normal(key, (3, 5))
    np.testing.assert_allclose(model.decode(params, 7 * numbers), model.decode(params, numbers), rtol=1e-4, atol=1e-5)
    assert {"manifold"} <= model.traits
    assert "columns" not in model.traits


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"posterior": "power_spherical", "prior": "mixture"},
            ("prior=mixture", "posterior=power_spherical", "choices: prior=sphere"),
        ),
        ({"prior": "sphere"}, ("posterior=(empty, diagonal)", "prior=sphere", "choices: posterior=power_spherical")),
        (
            {"prior": "sphere", "posterior": "full"},
            ("posterior=full", "prior=sphere", "choices: posterior=power_spherical"),
        ),
        ({"prior": "vamp", "posterior": "full"}, ("posterior=full", "prior=vamp", "choices: posterior=diagonal")),
    ],
    ids=str,
)
def test_a_posterior_and_a_prior_that_do_not_share_their_space_are_refused_in_one_line(changes, words):
    flat = config_lib.flatten(config_lib.defaults()) | changes
    with pytest.raises(InputError) as caught:
        config_lib.validate(config_lib.nest(flat), {})
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
