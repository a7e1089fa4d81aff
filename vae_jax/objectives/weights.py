"""Importance weights of posterior samples, and the bounds on log p(x) computed from them."""

import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.models import given, require_rate
from vae_jax.objectives.dreg import dreg_scale, scale_derivative
from vae_jax.randomness import fold_range
from vae_jax.types import Images, Model, Params, PerExample

Gradient = Literal["plain", "stl", "dreg"]


def log_weight(model: Model, params: Params, key: PRNGKeyArray, x: Images) -> PerExample:
    """Return log p(x, z) - log q(z|x) [B] for one z ~ q(z|x) per image, nats: an unbiased estimate of the elbo.

    Args:
        model: a model with a prior.
        params: its parameters.
        key: the key of z; there is no dropout.
        x: pixels in [0, 1]; on grey pixels a Bernoulli log p(x|z) is minus the cross-entropy, not a mass.

    Raises:
        InputError: the model has no prior.
    """
    return weigh(model, params, key, x, model.encode(params, x))


def weigh(model: Model, params: Params, key: PRNGKeyArray, x: Images, posterior: Any) -> PerExample:
    """Return the `log_weight` of images whose posterior is known."""
    log_prior, _ = require_rate(model)
    z, log_q = model.reparameterize(params, key, posterior)
    assert log_q is not None
    return model.log_likelihood(params, x, model.decode(params, z)) + log_prior(params, z) - log_q


def iwae_bound(model: Model, params: Params, key: PRNGKeyArray, x: Images, num_samples: int) -> PerExample:
    """Return the log of the mean of S importance weights [B], nats: on average a lower bound on log p(x).

    See Burda et al. (2016, eq. 8). S = 1 estimates the elbo; more samples give a tighter bound. Sample s has the key
    fold_in(key, s). All samples are in memory at once; `make_split_bound` needs less.

    Args:
        model: a model with a prior.
        params: its parameters.
        key: the key of all samples.
        x: pixels in [0, 1].
        num_samples: S.

    Raises:
        InputError: the model has no prior.
    """
    keys = fold_range(key, jnp.arange(num_samples))
    # vmap runs the encoder once, because it does not depend on the sample's key.
    weights = jax.vmap(lambda key: log_weight(model, params, key, x))(keys)
    return combine(weights, 1, 0.0)


def combine(log_weights: Float[Array, "S B"], num_groups: int, elbo_weight: float) -> PerExample:
    """Combine the S log weights of each image into one bound [B], nats.

    It is a mean_s log w_s + (1 - a) mean_g log mean_{s in g} w_s, with a = `elbo_weight` and g over `num_groups` groups of
    equal size. With a = 1 it estimates the elbo from S samples. With a = 0 it is the bound of Burda et al. (2016) for one
    group, and MIWAE for several; with a in between it is CIWAE (Rainforth et al. 2018, eqs. 9 and 10).
    """
    size = len(log_weights) // num_groups
    groups = log_weights.reshape(num_groups, size, -1)
    tight = (jax.nn.logsumexp(groups, axis=1) - math.log(size)).mean(axis=0)
    return elbo_weight * log_weights.mean(axis=0) + (1 - elbo_weight) * tight if elbo_weight else tight


class Sampled(NamedTuple):
    """Estimates from S samples per image, in nats."""

    bound: PerExample
    reconstruction: PerExample
    """The mean over samples of -log p(x|z)."""
    kl: PerExample
    """The mean over samples of log q(z|x) - log p(z)."""


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
    labels: Int32[Array, " B"] | None = None,
) -> Sampled:
    """Return `combine` of S samples' weights, to be maximised; its options give every estimator of a VAE's gradient.

    Args:
        model: a model with a prior.
        params: its parameters, to be differentiated.
        key: the key of z and of dropout.
        x, labels: pixels in [0, 1], and their classes for a conditional model.
        num_samples: S, a multiple of num_groups.
        num_groups: see `combine`.
        elbo_weight: see `combine`.
        gradient: the gradient for the encoder; the decoder's is the same for all.
            "plain": the gradient of the bound, with z reparameterised (Burda et al. 2016, eq. 13).
            "stl": drops the gradient of log q(z|x) for the posterior's parameters (Roeder et al. 2017, sticking the
            landing). Its mean is zero at S = 1 or elbo_weight = 1; otherwise "stl" is BIASED.
            "dreg": like "stl", but each sample's share of a group's mean is multiplied once more by its normalised
            weight, which is unbiased for any S (Tucker et al. 2019, eq. 6).
        train: True to use dropout.

    Raises:
        InputError: the model has no prior.
    """
    model, rows = given(model, labels), given(model, repeat_rows(labels, num_samples))
    log_prior, rate = require_rate(rows)
    # The number and order of these keys is part of bit-equal resume; elbo.py splits its keys in another order.
    key_encode, key_eps, key_decode = jax.random.split(key, 3)
    posterior, images = repeat_rows((model.encode(params, x, key_encode if train else None), x), num_samples)
    fixed = jax.lax.stop_gradient((params, posterior))

    def sample(scale: Float[Array, " R"] | None) -> tuple[Float[Array, "S B"], Float[Array, "S B"]]:
        """Return log p(x|z) and log p(z) - log q(z|x) of all samples; `scale` multiplies the derivative for z of each row."""
        z, log_q = rows.reparameterize(params, key_eps, posterior)
        if scale is not None:
            z = jax.tree.map(lambda leaf: scale_derivative(leaf, scale), z)
        if gradient != "plain":
            assert rate.log_posterior is not None
            log_q = rate.log_posterior(*fixed, z)
        assert log_q is not None
        likelihood = rows.log_likelihood(params, images, rows.decode(params, z, key_decode if train else None))
        ratio = log_prior(params, z) - log_q
        return likelihood.reshape(-1, num_samples).T, ratio.reshape(-1, num_samples).T

    likelihood, ratio = sample(None)
    if gradient == "dreg":
        scale = dreg_scale(jax.lax.stop_gradient(likelihood + ratio), num_groups, elbo_weight)
        # The same values again, with other derivatives; the compiler sees this and computes the values once.
        likelihood, ratio = sample(scale.T.reshape(-1))
    bound = combine(likelihood + ratio, num_groups, elbo_weight)
    return Sampled(bound, -likelihood.mean(axis=0), -ratio.mean(axis=0))


def repeat_rows(tree: Any, count: int) -> Any:
    """Repeat every row of a tree of [B, ...] `count` times: [B count, ...], with the samples of an image side by side.

    Samples are rows of one batch, not a separate axis under vmap. For weight gradients that contract two axes, XLA on a CPU
    would copy their operands (50 samples of 100 images: 57 ms per gradient, 40 ms as rows). A batch that is split over
    devices stays in place.
    """
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, count, axis=0), tree)
