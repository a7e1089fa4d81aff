"""A gated PixelCNN (van den Oord et al. 2016b) as the prior of a grid of discrete codes, learned after the codes."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int32, PRNGKeyArray

from vae_jax.models.conditional import LABEL, one_hot
from vae_jax.models.networks import pixelcnn
from vae_jax.models.networks.pixelcnn import NOTHING, OF_CODES, Given, make_pixelcnn, size_of
from vae_jax.types import Config, Encode, Params, PerExample, Prior, Sample, Spec

Codes = Int32[Array, "B T"]
KEYS = pixelcnn.KEYS


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of a model without a grid of given codes, and of a kernel without a middle."""
    found = []
    if flat["model"] != "density":
        found.append(
            f"model={flat['model']}: prior=pixelcnn is a density of the discrete codes of a finished run; choices: model=density"
        )
    return found + pixelcnn.problems(flat)


def make_pixelcnn_prior(config: Config, spec: Spec, encode: Encode) -> Prior:
    r"""Make p(codes) = prod_i p(code i | the codes before it, the class), uniform at the start, so that -log p is T log K.

    .. math:: p(c) = \prod_{i=1}^{T} p(c_i \mid c_1, \ldots, c_{i-1})

    The codes are those of a grid H x W with R at each place, `spec.shape`; one z is i32[T], T = H W R. With
    `config.condition` it is given the class. It reads pixelcnn.features, pixelcnn.layers and pixelcnn.kernel. A temperature
    divides the logits.
    """
    assert spec.codes is not None
    height, width, levels = spec.shape
    classes = spec.num_classes if config.condition == "label" else 0
    network = make_pixelcnn((height, width), levels, spec.codes[1], *size_of(config, OF_CODES), given=(classes, 0))

    def given(params: Params, rows: int) -> Given:
        return Given(one_hot(params[LABEL], classes, rows)) if classes else NOTHING

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return network.init(key)

    def log_prob(params: Params, codes: Codes) -> PerExample:
        grid = codes.reshape(codes.shape[0], height, width, levels)
        return network.log_prob(params["prior"], grid, given(params, codes.shape[0]))

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Codes:
        draws = network.sample(params["prior"], key, n, given(params, n), jnp.float32(temperature))
        return draws.reshape(n, height * width * levels)

    return Prior(init, log_prob, sample, is_standard=False, traits=frozenset({"conv"}))
