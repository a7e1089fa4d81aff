"""A density of the codes of a finished run, which takes the place of that run's prior (Dai and Wipf 2019; Ghosh et al. 2020)."""

import copy
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.errors import InputError
from vae_jax.models.backbone import itself
from vae_jax.models.posteriors import log_ratio, make_diagonal
from vae_jax.models.priors import PRIOR, make_prior
from vae_jax.types import (
    Config,
    Images,
    Likelihood,
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

Z = Float[Array, "B Z"]
KEYS = (PRIOR,)
OWN = {"prior": "flow"}
MOMENTS = "moments"
"""The name of the mean and deviation of the codes in the params."""


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problems of data that are no codes, and of priors and objectives that need images."""
    found = []
    if flat["dataset"] != "codes":
        found.append(f"dataset={flat['dataset']}: model=density learns the codes of a run; choices: dataset=codes")
    if flat["prior"] in ("vamp", "sphere"):
        why = {"vamp": "encodes images, and the data are codes", "sphere": "has no parameters to learn"}[flat["prior"]]
        found.append(f"prior={flat['prior']}: it {why}; choices: prior=flow, mixture, standard")
    if flat["objective"] != "elbo":
        found.append(f"objective={flat['objective']}: model=density has an exact density; choices: objective=elbo")
    if flat["condition"] != "none":
        found.append(
            f"condition={flat['condition']}: the priors of latents are given no label; choices: condition=none"
        )
    return found


def make_density(config: Config, spec: Spec) -> Model:
    """Make the model of the codes of a run with Gaussian posteriors: E_q[log q(z|x) - log p(z)] is the whole loss.

    The posteriors q(z|x) are the data, and a z is drawn from each in every step. So the loss is the rate of the pair of that
    run's encoder and decoder with this p(z), nats per image; what the decoder adds does not depend on p(z). p is the density of
    (z - mean) / deviation under `config.prior`, with the mean and deviation of each channel over training codes.

    Raises:
        InputError: the codes are discrete.
    """
    height, width, channels = spec.shape
    if spec.codes is None or spec.codes[0] != "latents":
        kind = "pixels" if spec.codes is None else spec.codes[0]
        raise InputError(
            f"model=density, dataset={config.dataset}: the data are {kind}; choices: data_dir=RUN of a VAE whose "
            "posteriors are diagonal Gaussians"
        )
    sized = copy.deepcopy(config)
    sized.latent_dim, sized.posterior = height * width * channels // 2, ""
    family = make_diagonal(sized)
    own = make_prior(sized, spec, _no_encoder, OWN["prior"])
    prior = _rescaled(own, height * width)

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return {"likelihood": {}, "prior": own.init(key, sample), MOMENTS: moments_of(jnp.asarray(sample.images))}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Posterior:
        mean, logvar = (part.reshape(x.shape[0], sized.latent_dim) for part in jnp.split(x, 2, axis=-1))
        return Posterior(mean, logvar)

    def decode(params: Params, z: Z, key: PRNGKeyArray | None = None) -> Outputs:
        return jnp.zeros((z.shape[0], 1, 1, 1))

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> dict[str, Params]:
        return {MOMENTS: params[MOMENTS]}  # an optimizer with weight decay would change them

    assert prior.log_prob is not None
    return Model(
        init=init,
        encode=encode,
        reparameterize=family.reparameterize,
        view=itself,
        place=itself,
        decode=decode,
        log_likelihood=lambda params, x, outputs: jnp.zeros(x.shape[0]),
        pixel_mean=None,
        sample_pixels=lambda params, key, outputs: outputs,
        likelihood=NO_PIXELS,
        prior=prior,
        rate=Rate(log_ratio(prior.log_prob), lambda: ("kl",), family.log_prob),
        grid=(height, width) if height * width > 1 else (),
        refit=refit,
        traits=frozenset({"sample"}) | prior.traits,
    )


NO_PIXELS = Likelihood(
    outputs_per_channel=0,
    init=lambda key: {},
    log_prob=lambda params, x, outputs: jnp.zeros(x.shape[0]),
    pixel_mean=lambda params, outputs: outputs,
    sample=lambda params, key, outputs: outputs,
    output_bias=None,
    discrete=False,
)
"""The likelihood of a model whose data are codes: there is nothing to reconstruct."""


def _no_encoder(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Any:
    raise AssertionError("priors that encode images are refused")


def moments_of(images: Array) -> Params:
    """Return the mean and the deviation [c] of the z of each channel, over codes [M, h, w, 2 c] and their posteriors."""
    mean, logvar = jnp.split(images, 2, axis=-1)
    variance = mean.var(axis=(0, 1, 2)) + jnp.exp(logvar).mean(axis=(0, 1, 2))
    return {"mean": mean.mean(axis=(0, 1, 2)), "deviation": jnp.sqrt(variance)}


def _rescaled(prior: Prior, places: int) -> Prior:
    """Return the prior of z for which (z - mean) / deviation has the given one."""

    def moments(params: Params) -> tuple[Float[Array, "1 Z"], Float[Array, "1 Z"]]:
        own = jax.lax.stop_gradient(params[MOMENTS])
        return jnp.tile(own["mean"], places)[None], jnp.tile(own["deviation"], places)[None]

    def inner(params: Params, z: Z) -> Z:
        mean, deviation = moments(params)
        return (z - mean) / deviation

    def log_prob(params: Params, z: Z) -> PerExample:
        assert prior.log_prob is not None
        return prior.log_prob(params, inner(params, z)) - jnp.log(moments(params)[1]).sum()

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        mean, deviation = moments(params)
        return mean + deviation * prior.sample(params, key, n, temperature)

    def component(params: Params, z: Z) -> Int32[Array, " B"]:
        assert prior.component is not None
        return prior.component(params, inner(params, z))

    found = None if prior.component is None else component
    return prior._replace(log_prob=log_prob, sample=sample, component=found, is_standard=False)
