"""The categorical likelihood over the grey levels of a data set: 2 for binary pixels, 17 for the digits, 256 for 8-bit pixels."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from vae_jax.data.levels import MOST
from vae_jax.keys import count
from vae_jax.models.likelihoods.pixels import parameters_of_mean, sum_pixels
from vae_jax.types import Config, Images, Likelihood, Outputs, Params, PerExample, Spec

NUMBER = count(
    "levels.number",
    0,
    "grey levels k / (levels.number - 1) of a pixel; 0: as many as the data have, counted when they are loaded",
    "levels",
    high=MOST,
)
KEYS = (NUMBER,)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a single level."""
    if flat["levels.number"] != 1:
        return []
    return [
        f"levels.number=1: likelihood={flat['likelihood']} needs two levels or more; choices: 0 (those of the data), 2 to {MOST}"
    ]


def make_levels(config: Config, spec: Spec) -> Likelihood:
    r"""Make the categorical distribution of each pixel over L grey levels k / (L - 1), a mass without any assumed shape.

    .. math:: P(x_i = k / (L - 1) \mid z) = \mathrm{softmax}(\ell_i)_k

    Outputs are L logits for each channel of a pixel; those of channel c have the indices c L to c L + L - 1. L is
    `config.levels.number`, or else `spec.levels`, or else 256. x is rounded to the nearest level; a stored pixel is at most
    half of 1/255 away from its own.
    """
    number = config.levels.number or spec.levels or MOST
    values = jnp.arange(number) / jnp.float32(number - 1)

    def log_prob(params: Params, x: Images, outputs: Outputs) -> PerExample:
        logits = _by_level(outputs, number)
        level = jnp.round(x * (number - 1)).astype(jnp.int32)
        own = jnp.take_along_axis(logits, level[..., None], axis=-1, mode="clip")[..., 0]
        return sum_pixels(own - jax.nn.logsumexp(logits, axis=-1))

    def pixel_mean(params: Params, outputs: Outputs) -> Images:
        return _mean(_by_level(outputs, number), values[None, None, None, None])

    def sample(params: Params, key: PRNGKeyArray, outputs: Outputs) -> Images:
        return jax.random.categorical(key, _by_level(outputs, number)) / jnp.float32(number - 1)

    def output_bias(mean_image: Float[Array, "H W C"]) -> Float[Array, "H W F"]:
        """Return tilt * k / (L - 1), the logits of largest entropy with the mean."""
        at = values[None, None, None]
        tilt = parameters_of_mean(lambda tilt: _mean(tilt[..., None] * at, at), mean_image)
        return (tilt[..., None] * at).reshape(*mean_image.shape[:2], -1)

    return Likelihood(number, lambda key: {}, log_prob, pixel_mean, sample, output_bias, discrete=True)


def _by_level(outputs: Outputs, number: int) -> Float[Array, "B H W C L"]:
    return outputs.reshape(*outputs.shape[:3], outputs.shape[3] // number, number)


def _mean(logits: Float[Array, "*pixels L"], values: Float[Array, "*ones L"]) -> Float[Array, "*pixels"]:
    # Rounding may lead above 1.
    return jnp.minimum((jax.nn.softmax(logits) * values).sum(axis=-1), 1.0)
