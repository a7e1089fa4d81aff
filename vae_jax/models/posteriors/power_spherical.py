"""The power spherical distribution on a sphere (De Cao and Aziz 2020), which can be drawn without rejection."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import betaln, gammaln
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.models.networks import Layer, Layers, first_outputs
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.models.priors.sphere import log_area, unit
from vae_jax.types import Config, Draw, Params, PerExample

SMALLEST_CONCENTRATION = 1.0
"""Davidson et al. (2018) add 1 to a softplus, so that the direction of a new encoder already matters."""
EDGE = 1e-12
"""The least squared distance from the axis: the square root has a gradient there."""


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a prior that is not on the sphere."""
    if flat["prior"] in ("", "sphere"):
        return []
    return [
        f"prior={flat['prior']}: posterior=power_spherical has its z on a sphere, where this prior has no density; choices: "
        "prior=sphere, or posterior=diagonal"
    ]


class PowerSpherical(NamedTuple):
    """The posterior with a density proportional to (1 + direction . z)^concentration on the sphere."""

    direction: Z
    """The mean direction, of length 1."""
    concentration: Float[Array, " B"]


def make_power_spherical(config: Config) -> PosteriorFamily:
    r"""Make the power spherical posterior on the sphere of `latent_dim` dimensions, whose z have one number more.

    .. math:: q(z \mid x) \propto (1 + \mu^\top z)^{\kappa}, \quad \|z\| = 1

    The concentration is softplus(.) + 1. The KL from the uniform prior is in closed form, one number for each image.
    """
    size = config.latent_dim + 1

    def posterior(features: Features) -> PowerSpherical:
        concentration = jax.nn.softplus(features[:, size]) + SMALLEST_CONCENTRATION
        return PowerSpherical(unit(features[:, :size]), concentration)

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: PowerSpherical) -> Draw:
        if key is None:
            return Draw(posterior.direction, log_density(posterior, jnp.ones_like(posterior.concentration)))
        z, share = draw(key, posterior)
        return Draw(z, log_density(posterior, share))

    def log_prob(params: Params, posterior: PowerSpherical, z: Z) -> PerExample:
        share = (1 + (posterior.direction * z).sum(axis=1)) / 2
        return log_density(posterior, jnp.maximum(share, jnp.finfo(z.dtype).eps))

    def kl_terms(posterior: PowerSpherical) -> Float[Array, "B 1"]:
        return (log_area(size) - entropy(posterior))[:, None]

    def layers(layers: Layers) -> Layers:
        onto = Layer("unit", (size,))
        return layers._replace(encoder=[*first_outputs(layers.encoder, size), onto], decoder=[onto, *layers.decoder])

    return PosteriorFamily(
        num_features=size + 1,
        size=size,
        posterior=posterior,
        reparameterize=reparameterize,
        log_prob=log_prob,
        kl_terms=kl_terms,
        onto=unit,
        layers=layers,
        traits=frozenset({"manifold"}),
    )


def draw(key: PRNGKeyArray, posterior: PowerSpherical) -> tuple[Z, PerExample]:
    """Draw z, and return with it the share (1 + direction . z) / 2, which would cancel if computed from z (algorithm 1)."""
    direction, concentration = posterior
    key_share, key_around = jax.random.split(key)
    rest = (direction.shape[1] - 1) / 2
    share = jax.random.beta(key_share, rest + concentration, rest, dtype=direction.dtype)
    around = unit(jax.random.normal(key_around, (len(direction), direction.shape[1] - 1), direction.dtype))
    radius = jnp.sqrt(jnp.maximum(4 * share * (1 - share), EDGE))[:, None]
    upright = jnp.concatenate([(2 * share - 1)[:, None], radius * around], axis=1)
    # The reflection that maps the first axis to the direction.
    mirror = unit(jnp.eye(1, direction.shape[1], dtype=direction.dtype) - direction)
    return upright - 2 * mirror * (mirror * upright).sum(axis=1, keepdims=True), share


def log_density(posterior: PowerSpherical, share: PerExample) -> PerExample:
    """Return the log-density of z with (1 + direction . z) / 2 = share, nats."""
    direction, concentration = posterior
    return concentration * jnp.log(share) - _log_normalizer(direction.shape[1], concentration)


def entropy(posterior: PowerSpherical) -> PerExample:
    """Return the entropy, nats."""
    direction, concentration = posterior
    rest = (direction.shape[1] - 1) / 2
    return _log_normalizer(direction.shape[1], concentration) + concentration * digamma_gap(rest + concentration, rest)


def _log_normalizer(size: int, concentration: PerExample) -> PerExample:
    """Return the log of the integral of ((1 + direction . z) / 2)^concentration over the sphere.

    It is 2 b log 2 + b log pi + log Gamma(a) - log Gamma(a + b) with b = (size - 1) / 2 and a = b + concentration. `betaln` keeps
    the digits that the difference of the last two loses at large concentrations.
    """
    rest = (size - 1) / 2
    ratio = betaln(rest + concentration, rest) - gammaln(rest)
    return 2 * rest * math.log(2) + rest * math.log(math.pi) + ratio


def digamma_gap(a: PerExample, b: float) -> PerExample:
    """Return digamma(a + b) - digamma(a) without the cancellation of large a.

    digamma(x) = digamma(x + 6) - sum_j<6 1 / (x + j), and at x + 6 its asymptotic series is exact in float32.
    """
    near = sum(b / ((a + j) * (a + b + j)) for j in range(6))
    low, high = 1 / (a + 6), 1 / (a + b + 6)
    series = (low - high) / 2 + (low**2 - high**2) / 12 - (low**4 - high**4) / 120
    return near + jnp.log1p(b * low) + series
