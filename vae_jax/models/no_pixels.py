"""The part that all densities of codes share: there are no pixels, so nothing is reconstructed."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from vae_jax.models.backbone import itself
from vae_jax.models.posteriors import log_ratio
from vae_jax.types import Likelihood, Model, Outputs, Params, Prior, Rate


def without_pixels(prior: Prior, log_posterior: Any) -> Model:
    """Return the part that all densities share: there is a rate, and nothing is reconstructed."""
    assert prior.log_prob is not None

    def decode(params: Params, z: Any, key: PRNGKeyArray | None = None) -> Outputs:
        return jnp.zeros((z.shape[0], 1, 1, 1))

    return Model(
        init=_unknown,
        encode=_unknown,
        reparameterize=_unknown,
        view=itself,
        place=itself,
        decode=decode,
        log_likelihood=lambda params, x, outputs: jnp.zeros(x.shape[0]),
        pixel_mean=None,
        sample_pixels=lambda params, key, outputs: outputs,
        likelihood=NO_PIXELS,
        prior=prior,
        rate=Rate(log_ratio(prior.log_prob), lambda: ("kl",), log_posterior),
    )


NO_PIXELS = Likelihood(
    outputs_per_channel=0,
    init=lambda key: {},
    log_prob=lambda params, x, outputs: jnp.zeros(x.shape[0]),
    pixel_mean=None,
    sample=lambda params, key, outputs: outputs,
    output_bias=None,
    discrete=False,
)
"""The likelihood of a model whose data are codes: there is nothing to reconstruct."""


def _unknown(*arguments: Any) -> Any:
    raise AssertionError("a density of latents and one of indices have functions of their own")
