"""The part that all model families share: encoder and decoder networks joined to a likelihood."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.models.likelihoods import make_likelihood
from vae_jax.models.networks import Layer, Layers, Ports, make_networks
from vae_jax.types import Code, Config, Draw, Images, Model, Outputs, Params, PerExample, Sample, Spec

Z = Float[Array, "B Z"]


def make_backbone(config: Config, spec: Spec, num_features: int, parts: int = 0) -> Model:
    """Make the autoencoder that every family changes with `_replace`: networks, likelihood, and a code in place of z.

    Args:
        config: names the networks and the likelihood.
        spec: the shape of the images.
        num_features: the number of encoder outputs; they are the code.
        parts: 0, or the number of parts of a code if the networks have no grid. With parts, or a grid, the code is [B, T, Z] and
            `num_features` is Z, the size of each of its vectors, of the encoder's and of the decoder's.
    """
    likelihood = make_likelihood(config)
    outputs = spec.shape[2] * likelihood.outputs_per_channel
    num_latents = num_features if parts else config.latent_dim
    networks = make_networks(config, Ports(spec.shape, num_features, num_latents, outputs, parts))

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        key_networks, key_likelihood = jax.random.split(key)
        bias = None if likelihood.output_bias is None else likelihood.output_bias(jnp.asarray(sample.mean_image))
        return networks.init(key_networks, bias) | {"likelihood": likelihood.init(key_likelihood)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Code:
        return Code(networks.encode(params, x, key))

    def log_likelihood(params: Params, x: Images, outputs: Outputs) -> PerExample:
        return likelihood.log_prob(params["likelihood"], x, outputs)

    def pixel_mean(params: Params, outputs: Outputs) -> Images:
        return likelihood.pixel_mean(params["likelihood"], outputs)

    def sample_pixels(params: Params, key: PRNGKeyArray, outputs: Outputs) -> Images:
        return likelihood.sample(params["likelihood"], key, outputs)

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> dict[str, Params]:
        assert likelihood.refit is not None
        own = likelihood.refit(params["likelihood"], grads["likelihood"], step, math.prod(spec.shape))
        return {"likelihood": own}

    def layers(params: Params) -> Layers:
        assert networks.layers is not None
        encoder, decoder = networks.layers(params)
        return Layers(encoder, [*decoder, Layer("pixel_mean", spec.shape, {}, {"likelihood": config.likelihood})])

    return Model(
        init=init,
        encode=encode,
        reparameterize=_code_itself,
        view=itself,
        place=itself,
        decode=networks.decode,
        log_likelihood=log_likelihood,
        pixel_mean=pixel_mean,
        sample_pixels=sample_pixels,
        likelihood=likelihood,
        refit=refit if likelihood.refit is not None else None,
        layers=layers if networks.layers is not None else None,
        grid=networks.grid,
        traits=networks.traits | ({"dropout"} if config.dropout > 0 else frozenset()),
    )


def itself(params: Params, z: Z) -> Z:
    """Return z: the view, and the place, of a z that is one array [B, Z]."""
    return z


def _code_itself(params: Params, key: PRNGKeyArray | None, posterior: Any) -> Draw:
    return Draw(posterior.mean, None)
