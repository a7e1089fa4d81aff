"""The VAE with categorical latent variables, trained on relaxed draws (Jang et al. 2017; Maddison et al. 2017)."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count, real, text
from vae_jax.models.backbone import make_backbone
from vae_jax.models.networks import Layers
from vae_jax.models.quantizers.coding import by_classes, coded
from vae_jax.types import Config, Draw, Images, Model, Outputs, Params, PerExample, Prior, Rate, Sample, Spec

Z = Float[Array, "B N K"]
"""The N variables, each a vector of K numbers: 1 for its class and 0 for the others, or a relaxed point between such vectors."""
OWN = "relaxation"
"""The name in params of what the schedule sets: {"temperature": the temperature of the next step}."""

KEYS = (
    count(
        "categorical.classes", 10, "classes of each of the latent_dim variables; 2: Bernoulli variables", "classes", 2
    ),
    text(
        "categorical.gradient",
        "relaxed",
        "z of a training step: a relaxed draw, or a hard draw with the gradient of the relaxed one (straight_through)",
        "relaxed",
        "straight_through",
    ),
    real("categorical.temperature", 1.0, "temperature of relaxed draws at the first step", open_low=True),
    real("categorical.anneal_rate", 3e-5, "rate of the temperature's exponential decay", "per step"),
    real("categorical.lowest_temperature", 0.5, "temperature at which the decay ends", open_low=True),
)


class Categorical(NamedTuple):
    """The posterior of N independent categorical variables."""

    logits: Float[Array, "B N K"]


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a decay that ends above its start."""
    start, lowest = flat["categorical.temperature"], flat["categorical.lowest_temperature"]
    if lowest <= start:
        return []
    return [
        f"categorical.lowest_temperature={lowest:g}: the decay starts below it, at categorical.temperature={start:g}"
    ]


def make_categorical(config: Config, spec: Spec) -> Model:
    r"""Make the VAE whose z is `latent_dim` = N independent variables of `categorical.classes` = K classes, uniform in the prior.

    .. math:: \mathrm{KL} = \sum_{n=1}^{N} \left[ \log K - H(q_n(\cdot \mid x)) \right], \quad
        \tilde z_n = \mathrm{softmax}\left( (\log q_n + g_n) / \tau \right), \; g \sim \mathrm{Gumbel}(0, 1)

    A draw is hard: each variable is 1 for one class and 0 for the others. KL(q(z|x) || p(z)) is in closed form, a term
    for each variable, from 0 to log K. So the elbo of evaluation, and every importance weight, are those of a discrete z.

    A hard draw passes no gradient to the encoder. Training therefore decodes `relax`'s z. The reconstruction of a relaxed z plus
    the KL of the discrete one is no bound on log p(x): training logs it as loss and relaxed_reconstruction, never as elbo.
    A straight-through z is hard, so what training logs of it are estimates of the elbo; its gradient is biased too.
    """
    num, classes, temperature = config.latent_dim, config.categorical.classes, _make_temperature(config)
    backbone = make_backbone(config, spec, num * classes, num * classes)
    prior = _make_prior(num, classes)

    def init(key: PRNGKeyArray, sample: Sample) -> Params:
        return backbone.init(key, sample) | {"prior": prior.init(key, sample), OWN: {"temperature": temperature(0)}}

    def encode(params: Params, x: Images, key: PRNGKeyArray | None = None) -> Categorical:
        return Categorical(backbone.encode(params, x, key).mean.reshape(-1, num, classes))

    def relax(params: Params, key: PRNGKeyArray, posterior: Categorical) -> Draw:
        soft = relaxed(key, posterior.logits, params[OWN]["temperature"])
        if config.categorical.gradient == "relaxed":
            return Draw(soft, None)
        hard, log_q = _reparameterize(params, key, posterior)
        # The difference is 0, and not hard - soft + soft: the sum is the hard draw to the last bit.
        return Draw(hard + (soft - jax.lax.stop_gradient(soft)), log_q)

    def decode(params: Params, z: Z, key: PRNGKeyArray | None = None) -> Outputs:
        return backbone.decode(params, _flat(params, z), key)

    def refit(key: PRNGKeyArray, params: Params, grads: Params, step: Int32[Array, ""]) -> dict[str, Params]:
        found = {} if backbone.refit is None else backbone.refit(key, params, grads, step)
        return found | {OWN: {"temperature": temperature(step + 1)}}

    def layers(params: Params) -> Layers:
        assert backbone.layers is not None
        return coded(backbone.layers(params), by_classes(num, classes))

    return backbone._replace(
        init=init,
        encode=encode,
        reparameterize=_reparameterize,
        relax=relax,
        view=_flat,
        place=None,
        codes=lambda params, z: z.argmax(axis=-1).astype(jnp.int32),
        from_codes=lambda params, codes: jax.nn.one_hot(codes, classes),
        num_codes=classes,
        grid=(num,),
        decode=decode,
        prior=prior,
        rate=Rate(_kl_terms, lambda: tuple(f"z{n + 1}" for n in range(num)), _log_posterior),
        refit=refit,
        layers=layers if backbone.layers else None,
        traits=backbone.traits | {"discrete"},
    )


def _make_temperature(config: Config) -> Callable[[Int32[Array, ""] | int], Float[Array, ""]]:
    """Make a function (step) -> the temperature: `categorical.temperature` exp(-`anneal_rate` step), or the lowest if higher.

    It is a number in params that `refit` sets, and is not learned.
    """
    own = config.categorical

    def temperature(step: Int32[Array, ""] | int) -> Float[Array, ""]:
        decayed = own.temperature * jnp.exp(-own.anneal_rate * jnp.float32(step))
        return jnp.maximum(decayed, own.lowest_temperature)

    return temperature


def relaxed(key: PRNGKeyArray, logits: Z, temperature: Float[Array, ""]) -> Z:
    """Draw from the Gumbel-softmax, or concrete, distribution (Jang et al. 2017, eq. 2; Maddison et al. 2017).

    The class of its largest number is that of the hard draw with the same key, to which it tends as the temperature falls.
    """
    return jax.nn.softmax(_perturbed(key, logits) / jax.lax.stop_gradient(temperature), axis=-1)


def _perturbed(key: PRNGKeyArray, logits: Z) -> Z:
    return logits + jax.random.gumbel(key, logits.shape, logits.dtype)


def _reparameterize(params: Params, key: PRNGKeyArray | None, posterior: Categorical) -> Draw:
    """Return a hard draw; without a key the most probable class of each variable."""
    logits = posterior.logits
    chosen = (logits if key is None else _perturbed(key, logits)).argmax(axis=-1)
    z = jax.nn.one_hot(chosen, logits.shape[-1], dtype=logits.dtype)
    return Draw(z, _log_posterior(params, posterior, z))


def _log_posterior(params: Params, posterior: Categorical, z: Z) -> PerExample:
    return (z * jax.nn.log_softmax(posterior.logits)).sum(axis=(1, 2))


def _kl_terms(params: Params, posterior: Categorical, draw: Draw) -> Float[Array, "B N"]:
    """Return log K minus the entropy of each variable."""
    log_q = jax.nn.log_softmax(posterior.logits)
    return math.log(log_q.shape[-1]) + (jnp.exp(log_q) * log_q).sum(axis=-1)


def _flat(params: Params, z: Z) -> Float[Array, "B F"]:
    return z.reshape(z.shape[0], -1)


def _make_prior(num: int, classes: int) -> Prior:
    """Return the prior that is uniform over the K^N z."""

    def sample(params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0) -> Z:
        return jax.nn.one_hot(jax.random.randint(key, (n, num), 0, classes), classes)

    def log_prob(params: Params, z: Z) -> PerExample:
        return jnp.full(z.shape[0], -num * math.log(classes))

    return Prior(lambda key, sample: {}, log_prob, sample, is_standard=False)
