"""A gated PixelCNN as the likelihood of pixels given z, an autoregressive decoder: the PixelVAE (Gulrajani et al. 2016)."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.data.levels import MOST
from vae_jax.keys import count
from vae_jax.models.likelihoods import levels
from vae_jax.models.networks import pixelcnn
from vae_jax.models.networks.pixelcnn import OF_PIXELS, Given, make_pixelcnn, size_of
from vae_jax.types import Config, Images, Likelihood, Outputs, Params, PerExample, Spec

OUTPUTS = count(
    "pixelcnn.outputs",
    8,
    "numbers of the decoder for each channel of a pixel, which all layers of likelihood=pixelcnn see",
    "numbers",
    1,
    4096,
)
KEYS = (*pixelcnn.KEYS, OUTPUTS, levels.NUMBER)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of the network, of the levels, and of models and objectives that need the means of pixels."""
    found = pixelcnn.problems(flat) + levels.problems(flat)
    if flat["binarize"] != "none" and flat["levels.number"] not in (0, 1, 2):
        found.append(f"levels.number={flat['levels.number']}: binarize={flat['binarize']} has 2; choices: 0, 2")
    if flat["model"] == "ae" or flat["objective"] in ("denoising", "reconstruction"):
        found.append(
            f"likelihood=pixelcnn: model={flat['model']} with objective={flat['objective']} is measured by the squared error "
            "of pixel means, which it has not; choices: likelihood=levels, or model=vae with objective=elbo, factor or "
            "importance"
        )
    return found


def make_pixelcnn_likelihood(config: Config, spec: Spec) -> Likelihood:
    r"""Make p(x|z) = prod_i p(pixel i | the pixels before it, the decoder's outputs), a mass over L levels k / (L - 1).

    .. math:: p(x \mid z) = \prod_i p(x_i \mid x_1, \ldots, x_{i-1}, z)

    The order is that of rows, of the pixels of a row, and of the channels of a pixel. The outputs, `config.pixelcnn.outputs` for
    each channel, condition every layer at their own pixel. L is 2 if pixels are binarised, else `config.levels.number`, or else
    `spec.levels`, or else 256. x is rounded to the nearest level. At first all L levels are equally probable.

    There is no pixel_mean: E[x|z] is a mean over draws. A draw takes a step for each pixel.

    It reads pixelcnn.features, pixelcnn.layers, pixelcnn.kernel, pixelcnn.outputs and levels.number.
    """
    number = 2 if config.binarize != "none" else config.levels.number or spec.levels or MOST
    (height, width, channels), outputs_per_channel = spec.shape, config.pixelcnn.outputs
    size, given = size_of(config, OF_PIXELS), (0, channels * outputs_per_channel)
    network = make_pixelcnn((height, width), channels, number, *size, given=given)

    def log_prob(params: Params, x: Images, outputs: Outputs) -> PerExample:
        return network.log_prob(params, level_of(x, number), Given(around=outputs))

    def sample(params: Params, key: PRNGKeyArray, outputs: Outputs) -> Images:
        return network.sample(params, key, outputs.shape[0], Given(around=outputs)) / jnp.float32(number - 1)

    return Likelihood(
        outputs_per_channel,
        init=network.init,
        log_prob=log_prob,
        pixel_mean=None,
        sample=sample,
        output_bias=None,
        discrete=True,
        traits=frozenset({"conv"}),
    )


def level_of(x: Images, number: int | Int32[Array, ""]) -> Int32[Array, "B H W C"]:
    """Return the index of the level nearest to each pixel."""
    return jnp.clip(jnp.round(x * (number - 1)), 0, number - 1).astype(jnp.int32)
