"""The VAE with two stochastic layers (Burda et al. 2016, section 5): x <- lower <- upper, encoded x -> lower -> upper."""

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.keys import count, numbers
from vae_jax.models.backbone import make_backbone
from vae_jax.models.distributions import normal_kl_standard, normal_log_prob, normal_sample
from vae_jax.models.networks import ACTIVATION, Layers, Networks, Ports
from vae_jax.models.networks.mlp import make_mlp
from vae_jax.models.posteriors import z_names
from vae_jax.types import (
    Config,
    Draw,
    Images,
    Model,
    Outputs,
    Params,
    PerExample,
    Posterior,
    Prior,
    Rate,
    Sample,
    Spec,
)

Lower = Float[Array, "B Z"]
Conditional = Callable[[Params, Array], Posterior]


KEYS = (
    count(
        "two_layer.upper_latent_dim",
        10,
        "size of the upper latent layer; latent_dim is the size of the lower one",
        "dimensions",
        1,
    ),
    ACTIVATION,
    numbers("two_layer.upper_hidden_dims", (100, 100), "widths of the layers between lower and upper latents", int, 1),
)


class Latents(NamedTuple):
    """The z of both stochastic layers."""

    lower: Lower
    upper: Float[Array, "B U"]


def make_two_layer(config: Config, spec: Spec) -> Model:
    r"""Make the model p(upper) = N(0, I), p(lower|upper), p(x|lower) with q(lower|x), q(upper|lower), diagonal Gaussians.

    .. math:: p(x, z_1, z_2) = p(z_2)\, p(z_1 \mid z_2)\, p(x \mid z_1), \quad
        q(z_1, z_2 \mid x) = q(z_1 \mid x)\, q(z_2 \mid z_1)

    The posterior that callers see is q(lower|x); q(upper|lower) follows from a sampled lower z. The pixels depend on the
    lower z alone, so it is the view: active units, moments, planes and samples of the posterior are those of the lower z,
    whose prior is not N(0, I). There is no dropout between the layers.

    It reads latent_dim (Z), two_layer.upper_latent_dim (U), and two_layer.upper_hidden_dims, the widths between the two
    layers; the networks between x and lower read the rest.
    """
    backbone = make_backbone(config, spec, 2 * config.latent_dim, config.latent_dim)
    between = _make_between(config)
    upper_given = between.upper_given

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        key_backbone, key_layers = jax.random.split(key)
        return backbone.init(key_backbone, sample) | {"layers": between.networks.init(key_layers, None)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        return Posterior(*jnp.split(backbone.encode(params, x, key).mean, 2, axis=-1))

    def reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Posterior) -> Draw:
        key_lower, key_upper = (None, None) if key is None else jax.random.split(key)
        lower = _drawn(key_lower, posterior)
        z = Latents(lower, _drawn(key_upper, upper_given(params, lower)))
        return Draw(z, between.log_posterior(params, posterior, z))

    def place(params: Params, lower: Lower) -> Latents:
        return Latents(lower, upper_given(params, lower).mean)

    def decode(params: Params, z: Latents, key: PRNGKeyArray | None = None) -> Outputs:
        return backbone.decode(params, z.lower, key)

    def layers(params: Params) -> Layers:
        assert backbone.layers is not None
        return backbone.layers(params)._replace(prior=between.networks.layers(params["layers"])[1])

    return backbone._replace(
        init=init,
        encode=encode,
        reparameterize=reparameterize,
        view=lambda params, z: z.lower,
        place=place,
        decode=decode,
        prior=_make_prior(config, between),
        rate=_make_rate(config, between),
        layers=layers if backbone.layers is not None else None,
        traits=backbone.traits | {"columns"},
    )


def _drawn(key: PRNGKeyArray | None, posterior: Posterior) -> Float[Array, "B D"]:
    return posterior.mean if key is None else normal_sample(key, *posterior)


class _Between(NamedTuple):
    """The networks between the two layers, whose params are params["layers"]."""

    networks: Networks
    upper_given: Conditional
    lower_given: Conditional

    def log_posterior(self, params: Params, posterior: Posterior, z: Latents) -> PerExample:
        """Return log q(lower|x) + log q(upper|lower)."""
        lower = normal_log_prob(z.lower, *posterior).sum(axis=-1)
        return lower + normal_log_prob(z.upper, *self.upper_given(params, z.lower)).sum(axis=-1)


def _make_between(config: Config) -> _Between:
    size, upper = config.latent_dim, config.two_layer.upper_latent_dim
    between = deepcopy(config)
    between.hidden_dims, between.dropout = config.two_layer.upper_hidden_dims, 0.0
    # To the networks between the layers, the lower z is an image of one pixel with Z channels.
    networks = make_mlp(between, Ports((1, 1, size), 2 * upper, upper, 2 * size))

    def upper_given(params: Params, lower: Lower) -> Posterior:
        features = networks.encode(params["layers"], lower.reshape(-1, 1, 1, size))
        return Posterior(*jnp.split(features, 2, axis=-1))

    def lower_given(params: Params, upper: Float[Array, "B U"]) -> Posterior:
        return Posterior(*jnp.split(networks.decode(params["layers"], upper).reshape(-1, 2 * size), 2, axis=-1))

    return _Between(networks, upper_given, lower_given)


def _make_prior(config: Config, between: _Between) -> Prior:
    lower_given = between.lower_given

    def log_prior(params: Params, z: Latents) -> PerExample:
        upper = normal_log_prob(z.upper, jnp.zeros_like(z.upper), jnp.zeros_like(z.upper)).sum(axis=-1)
        return upper + normal_log_prob(z.lower, *lower_given(params, z.upper)).sum(axis=-1)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Latents:
        key_upper, key_lower = jax.random.split(key)
        upper = temperature * jax.random.normal(key_upper, (n, config.two_layer.upper_latent_dim))
        mean, logvar = lower_given(params, upper)
        return Latents(mean + temperature * normal_sample(key_lower, jnp.zeros_like(mean), logvar), upper)

    return Prior(lambda key, sample: {}, log_prior, sample, is_standard=False)


def _make_rate(config: Config, between: _Between) -> Rate:
    upper_given, lower_given = between.upper_given, between.lower_given

    def kl_terms(params: Params, posterior: Posterior, draw: Draw) -> Float[Array, "B K"]:
        # K = Z + U. Upper: in closed form given the sampled lower z. Lower: the log ratio at z, because p(lower|upper)
        # itself depends on the sampled z, so there is no closed form.
        z = draw.z
        ratio = normal_log_prob(z.lower, *posterior) - normal_log_prob(z.lower, *lower_given(params, z.upper))
        return jnp.concatenate([ratio, normal_kl_standard(*upper_given(params, z.lower))], axis=-1)

    def names() -> tuple[str, ...]:
        return z_names(config.latent_dim, "lower ") + z_names(config.two_layer.upper_latent_dim, "upper ")

    return Rate(kl_terms, names, between.log_posterior)
