"""The part that all model families share: encoder and decoder networks joined to a likelihood."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Float, PRNGKeyArray

from vae_jax.models.likelihoods import make_likelihood
from vae_jax.models.networks import NETWORKS, Networks
from vae_jax.types import Config, Images, Outputs, Params, PerExample


class Backbone(NamedTuple):
    """The functions of a Model that do not depend on the kind of its latent variables."""

    networks: Networks
    init: Callable[..., Params]
    log_likelihood: Callable[..., PerExample]
    pixel_mean: Callable[..., Images]


def make_backbone(config: Config, shape: tuple[int, int, int], num_features: int) -> Backbone:
    """Join the networks and the likelihood named by config, for images (H, W, C) and num_features encoder outputs."""
    likelihood = make_likelihood(config)
    networks = NETWORKS[config.network](config, shape, num_features, shape[2] * likelihood.outputs_per_channel)

    def init(key: PRNGKeyArray, mean_image: Float[jax.Array, "H W C"]) -> Params:
        key_networks, key_likelihood = jax.random.split(key)
        bias = None if likelihood.output_bias is None else likelihood.output_bias(mean_image)
        return networks.init(key_networks, bias) | {"likelihood": likelihood.init(key_likelihood)}

    def log_likelihood(params: Params, x: Images, outputs: Outputs) -> PerExample:
        return likelihood.log_prob(params["likelihood"], x, outputs)

    def pixel_mean(params: Params, outputs: Outputs) -> Images:
        return likelihood.pixel_mean(params["likelihood"], outputs)

    return Backbone(networks, init, log_likelihood, pixel_mean)
