"""The part that all model families share: encoder and decoder networks joined to a likelihood."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.models.conditional import LABEL, one_hot
from vae_jax.models.likelihoods import make_likelihood, numbers_of
from vae_jax.models.networks import Layer, Layers, Ports, make_networks
from vae_jax.types import Code, Config, Draw, Images, Likelihood, Model, Outputs, Params, PerExample, Sample, Spec

Z = Float[Array, "B Z"]


def make_backbone(config: Config, spec: Spec, num_features: int, size: int, parts: int = 0) -> Model:
    """Make the autoencoder that every family changes with `_replace`: networks, likelihood, and a code in place of z.

    Args:
        config: names the networks and the likelihood.
        spec: the shape of the images, and the number of classes.
        num_features: the number of encoder outputs; they are the code.
        size: Z, the number of decoder inputs.
        parts: 0, or the number of parts of a code if the networks have no grid. With parts, or a grid, the code is [B, T, Z], and
            `num_features` and `size` are those of each of its vectors.
    """
    likelihood = make_likelihood(config, spec)
    outputs, classes = spec.shape[2] * likelihood.outputs_per_channel, _num_classes(config, spec)
    seen = (*spec.shape[:2], spec.shape[2] + classes)
    networks = make_networks(config, Ports(seen, num_features, size + classes, outputs, parts))

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        key_networks, key_likelihood = jax.random.split(key)
        bias = None if likelihood.output_bias is None else likelihood.output_bias(jnp.asarray(sample.mean_image))
        return networks.init(key_networks, bias) | {"likelihood": likelihood.init(key_likelihood)}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Code:
        return Code(networks.encode(params, _beside(params, x, classes), key))

    def decode(params: Params, z: Float[Array, "B *T Z"], key: PRNGKeyArray | None = None) -> Outputs:
        return networks.decode(params, _beside(params, z, classes), key)

    def log_likelihood(params: Params, x: Images, outputs: Outputs) -> PerExample:
        return likelihood.log_prob(params["likelihood"], x, outputs)

    def sample_pixels(params: Params, key: PRNGKeyArray, outputs: Outputs) -> Images:
        return likelihood.sample(params["likelihood"], key, outputs)

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> dict[str, Params]:
        assert likelihood.refit is not None
        return {"likelihood": likelihood.refit(params["likelihood"], grads["likelihood"], step, math.prod(spec.shape))}

    def layers(params: Params) -> Layers:
        encoder, decoder = networks.layers(params)
        codes = (*(1, *networks.grid)[-2:], size + classes) if networks.grid else (size + classes,)
        labelled = (*_label_layers(codes, classes, decoder), *decoder)
        mean = Layer("pixel_mean", spec.shape, {}, numbers_of(config, likelihood))
        return Layers([*_label_layers(seen, classes, encoder), *encoder], [*labelled, mean])

    return Model(
        init=init,
        encode=encode,
        reparameterize=_code_itself,
        view=itself,
        place=itself,
        decode=decode,
        log_likelihood=log_likelihood,
        pixel_mean=_pixel_mean(likelihood),
        sample_pixels=sample_pixels,
        likelihood=likelihood,
        refit=refit if likelihood.refit is not None else None,
        layers=None if likelihood.pixel_mean is None else layers,
        grid=networks.grid,
        traits=networks.traits | likelihood.traits | ({"dropout"} if config.dropout > 0 else frozenset()),
    )


def _pixel_mean(likelihood: Likelihood) -> Callable[[Params, Outputs], Images] | None:
    """Return `Model.pixel_mean` of a likelihood; None if its pixels can only be drawn."""
    pixel_mean = likelihood.pixel_mean
    return None if pixel_mean is None else lambda params, outputs: pixel_mean(params["likelihood"], outputs)


def _num_classes(config: Config, spec: Spec) -> int:
    return 0 if config.condition == "none" else spec.num_classes


def _label_layers(shape: tuple[int, ...], classes: int, following: list[Layer]) -> list[Layer]:
    """Return the layers that do what `_beside` does, to a result of this shape, as the following layers take it."""
    if not classes:
        return []
    flat = [Layer("reshape", (math.prod(shape),))] * (len(shape) > 1 and following[0].kind == "dense")
    return [Layer("label", shape, {}, {"classes": classes}), *flat]


def _beside(params: Params, values: Float[Array, "B *rest C"], classes: int) -> Float[Array, "B *rest D"]:
    """Return values [B, ..., C] with the class of each row behind: [B, ..., D], D = C + Y; as they are if Y is 0.

    It is 1 for the row's own class and 0 for the others, from params["label"], which `Model.given` puts there. So the encoder
    sees Y planes behind the image's channels, and the decoder Y numbers behind z, or behind each of its vectors.
    """
    if not classes:
        return values
    assert LABEL in params, "a conditional model was called without labels: call the functions of model.given(labels)"
    numbers = one_hot(params[LABEL], classes, values.shape[0]).astype(values.dtype)
    numbers = numbers.reshape(values.shape[0], *[1] * (values.ndim - 2), classes)
    return jnp.concatenate([values, jnp.broadcast_to(numbers, (*values.shape[:-1], classes))], axis=-1)


def itself(params: Params, z: Z) -> Z:
    """Return z: the view, and the place, of a z that is one array [B, Z]."""
    return z


def _code_itself(params: Params, key: PRNGKeyArray | None, posterior: Any) -> Draw:
    return Draw(posterior.mean, None)
