"""Importance weights of the posterior's samples, and the bounds on log p(x) that are made of them."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, Key, PRNGKeyArray

from vae_jax.errors import InputError
from vae_jax.types import Images, Model, Params, PerExample

Gradient = Literal["plain", "stl", "dreg"]


def log_weight(model: Model, params: Params, key: PRNGKeyArray, x: Images) -> PerExample:
    """log p(x, z) - log q(z|x) [B] for one z ~ q(z|x) an image, nats: an unbiased estimate of the elbo.

    Args:
        model: one with a prior.
        params: its parameters.
        key: of z; there is no dropout.
        x: pixels in [0, 1]; on grey pixels a Bernoulli log p(x|z) is minus the cross-entropy, no mass.

    Raises:
        InputError: the model has no prior.
    """
    return weigh(model, params, key, x, model.encode(params, x))


def weigh(model: Model, params: Params, key: PRNGKeyArray, x: Images, posterior: Any) -> PerExample:
    """`log_weight` of an image whose posterior is known."""
    log_prior, log_posterior = check_prior(model)
    z = model.reparameterize(params, key, posterior)
    log_joint = model.log_likelihood(params, x, model.decode(params, z)) + log_prior(params, z)
    return log_joint - log_posterior(params, posterior, z)


def iwae_bound(model: Model, params: Params, key: PRNGKeyArray, x: Images, num_samples: int) -> PerExample:
    """log of the mean of S importance weights [B], nats (Burda et al. 2016, eq. 8): a lower bound on log p(x) on average.

    S = 1 is the elbo's estimate; more samples are tighter. Sample s has the key fold_in(key, s). All of them are in memory
    at once: see `make_split_bound`.

    Args:
        model: one with a prior.
        params: its parameters.
        key: of all samples.
        x: pixels in [0, 1].
        num_samples: S.

    Raises:
        InputError: the model has no prior.
    """
    keys = fold_range(key, jnp.arange(num_samples))
    # What does not depend on the sample, the encoder, vmap computes once.
    weights = jax.vmap(lambda key: log_weight(model, params, key, x))(keys)
    return combine(weights, 1, 0.0)


def combine(log_weights: Float[Array, "S B"], num_groups: int, elbo_weight: float) -> PerExample:
    """One bound of S log weights an image [B], nats.

    a mean_s log w_s + (1 - a) mean_g log mean_{s in g} w_s, with a = `elbo_weight` and g over `num_groups` groups of equal
    size. With a = 1 it is the elbo's estimate from S samples; with a = 0 and one group the bound of Burda et al. (2016); with
    more groups MIWAE; with a between CIWAE (Rainforth et al. 2018, eqs. 9 and 10).
    """
    size = len(log_weights) // num_groups
    groups = log_weights.reshape(num_groups, size, -1)
    tight = (jax.nn.logsumexp(groups, axis=1) - math.log(size)).mean(axis=0)
    return elbo_weight * log_weights.mean(axis=0) + (1 - elbo_weight) * tight if elbo_weight else tight


class Sampled(NamedTuple):
    """S samples an image; nats."""

    bound: PerExample
    reconstruction: PerExample
    """Mean over samples of -log p(x|z)."""
    kl: PerExample
    """Mean over samples of log q(z|x) - log p(z)."""


def training_bound(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    x: Images,
    num_samples: int,
    num_groups: int = 1,
    elbo_weight: float = 0.0,
    gradient: Gradient = "plain",
    train: bool = True,
) -> Sampled:
    """`combine` of S samples' weights, to be maximised: every estimator of a VAE's gradient is one of its options.

    Args:
        model: one with a prior.
        params: differentiated.
        key: of z, and of dropout.
        x: pixels in [0, 1].
        num_samples: S, a multiple of num_groups.
        num_groups: see `combine`.
        elbo_weight: see `combine`.
        gradient: which gradient the encoder gets; the decoder's is the same for all.
            "plain": that of the bound, z reparameterised (Burda et al. 2016, eq. 13).
            "stl": without that of log q(z|x) for the posterior's own parameters, which is zero on average at S = 1 or
            elbo_weight = 1 (Roeder et al. 2017, sticking the landing); otherwise it is BIASED.
            "dreg": as "stl", and every sample's share of a group's mean weighted by its normalised weight once more:
            unbiased for any S (Tucker et al. 2019, eq. 6).
        train: whether there is dropout.

    Raises:
        InputError: the model has no prior.
    """
    log_prior, log_posterior = check_prior(model)
    key_encode, key_eps, key_decode = jax.random.split(key, 3)
    posterior = repeat_rows(model.encode(params, x, key_encode if train else None), num_samples)
    fixed = (params, posterior) if gradient == "plain" else jax.lax.stop_gradient((params, posterior))
    images = repeat_rows(x, num_samples)

    def sample(scale: Float[Array, " R"] | None) -> tuple[Float[Array, "S B"], Float[Array, "S B"]]:
        """log p(x|z) and log p(z) - log q(z|x) of all samples, the derivative for z of the R = B S rows times `scale`."""
        z = model.reparameterize(params, key_eps, posterior)
        if scale is not None:
            z = jax.tree.map(lambda leaf: _scale_derivative(leaf, scale), z)
        likelihood = model.log_likelihood(params, images, model.decode(params, z, key_decode if train else None))
        ratio = log_prior(params, z) - log_posterior(*fixed, z)
        return likelihood.reshape(-1, num_samples).T, ratio.reshape(-1, num_samples).T

    likelihood, ratio = sample(None)
    if gradient == "dreg":
        scale = _dreg_scale(jax.lax.stop_gradient(likelihood + ratio), num_groups, elbo_weight)
        # The same numbers again, which the compiler finds and computes once; only derivatives differ.
        likelihood, ratio = sample(scale.T.reshape(-1))
    bound = combine(likelihood + ratio, num_groups, elbo_weight)
    return Sampled(bound, -likelihood.mean(axis=0), -ratio.mean(axis=0))


def repeat_rows(tree: Any, count: int) -> Any:
    """Every row of a tree of [B, ...] `count` times: [B count, ...], the samples of one image beside one another.

    Samples are rows of one batch, and no axis of their own under vmap: XLA on a CPU would copy what the weight gradients of
    dense layers contract over two axes (50 samples of 100 images: 57 ms a gradient, 40 ms as rows). A batch that is spread
    over devices stays where it is.
    """
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, count, axis=0), tree)


def _dreg_scale(log_weights: Float[Array, "S B"], num_groups: int, elbo_weight: float) -> Float[Array, "S B"]:
    """What each sample's derivative for z is multiplied with: v = normalised weight in its group; a part of (1 - a) v / G
    becomes (1 - a) v^2 / G beside a / S."""
    groups = log_weights.reshape(num_groups, len(log_weights) // num_groups, -1)
    normalised = jax.nn.softmax(groups, axis=1).reshape(log_weights.shape)
    if not elbo_weight:
        return normalised
    share = (1 - elbo_weight) * (len(log_weights) // num_groups) * normalised
    return (elbo_weight + share * normalised) / (elbo_weight + share)


@jax.custom_vjp
def _scale_derivative(z: Array, scale: PerExample) -> Array:
    del scale
    return z


def _scale_forward(z: Array, scale: PerExample) -> tuple[Array, PerExample]:
    return z, scale


def _scale_backward(scale: PerExample, cotangent: Array) -> tuple[Array, PerExample]:
    return cotangent * scale.reshape(-1, *[1] * (cotangent.ndim - 1)), jnp.zeros_like(scale)


_scale_derivative.defvjp(_scale_forward, _scale_backward)


def check_prior(model: Model) -> tuple[Callable[..., PerExample], Callable[..., PerExample]]:
    """(log_prior, log_posterior) of a model that has them.

    Raises:
        InputError: it has none.
    """
    if model.log_prior is None or model.log_posterior is None:
        raise InputError("the model has no prior, so its images have no log p(x); choices: a variational model, as vae")
    return model.log_prior, model.log_posterior


def fold_range(key: PRNGKeyArray, numbers: Int32[Array, " n"]) -> Key[Array, " n"]:
    """fold_in(key, number) for each number."""
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
