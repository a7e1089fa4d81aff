"""The VampPrior (Tomczak and Welling 2018): the mixture of the posteriors of learned pseudo-inputs."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.errors import InputError
from vae_jax.keys import count
from vae_jax.models.priors.gaussians import Components, mixture_component, mixture_log_prob, mixture_sample
from vae_jax.types import Config, Encode, Params, PerExample, Prior, Sample, Spec

Z = Float[Array, "B Z"]
KEYS = (count("vamp.components", 100, "pseudo-inputs, whose posteriors make up the prior", "pseudo-inputs", 1),)
EDGE = 0.05
"""The initial pixels are in [EDGE, 1 - EDGE], so that the logits of black and white ones can be learned."""


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of an encoder that needs labels, and of posteriors that are no diagonal Gaussians."""
    found = []
    if flat["condition"] != "none":
        found.append(
            f"prior=vamp: the pseudo-inputs have no labels, which condition={flat['condition']} needs; choices: condition=none, "
            "or another prior, such as mixture"
        )
    if flat["posterior"] not in ("", "diagonal"):
        found.append(
            f"posterior={flat['posterior']}: prior=vamp is a mixture of posteriors that are diagonal Gaussians; choices: "
            "posterior=diagonal, or another prior, such as mixture"
        )
    return found


def make_vamp(config: Config, spec: Spec, encode: Encode) -> Prior:
    r"""Make the prior mean_k q(z|u_k) (eq. 9) with K = `vamp.components` pseudo-inputs u_k, encoded without dropout.

    .. math:: p(z) = \frac{1}{K} \sum_{k=1}^{K} q(z \mid u_k)

    They start as training images, and their pixels are sigmoids of what is learned (the paper clips them to [0, 1], where a
    pixel at an end gets no gradient).

    Raises:
        InputError: there are fewer training images to start from.
    """
    number = config.vamp.components
    if number > spec.sample_size:
        raise InputError(
            f"vamp.components={number}: pseudo-inputs start as training images, and {spec.sample_size:,} are read for it; "
            f"choices: 1 to {spec.sample_size}"
        )

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        chosen = jax.random.permutation(key, len(sample.images))[:number]
        pixels = jnp.asarray(sample.images)[chosen] / 255.0
        return {"pixel_logits": jax.scipy.special.logit(EDGE + (1 - 2 * EDGE) * pixels)}

    def prepare(params: Params) -> Params:
        posterior = encode(params, jax.nn.sigmoid(params["prior"]["pixel_logits"]))
        return params | {"prior": {"mean": posterior.mean, "logvar": posterior.logvar}}

    def components(params: Params) -> Components:
        own = params["prior"] if "mean" in params["prior"] else prepare(params)["prior"]
        return Components(own["mean"], own["logvar"], jnp.full(number, -jnp.log(number)))

    def log_prob(params: Params, z: Z) -> PerExample:
        return mixture_log_prob(components(params), z)

    def component(params: Params, z: Z) -> Int32[Array, " B"]:
        return mixture_component(components(params), z)

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        return mixture_sample(components(params), key, n, temperature)

    return Prior(init, log_prob, sample, False, prepare, component, traits=frozenset({"sample"}))
