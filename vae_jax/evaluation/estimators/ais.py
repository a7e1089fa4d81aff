"""Annealed importance sampling (Neal 2001): log p(x) by chains from the prior to the posterior, without an encoder.

The settings are those of Wu et al. (2017), "On the quantitative analysis of decoder-based generative models". The check by
bidirectional Monte Carlo is that of Grosse et al. (2015), "Sandwiching the marginal likelihood using bidirectional Monte Carlo".

For any image `log_p` is a LOWER BOUND on log p(x) on average, however badly the chains mix. Images drawn from the model itself
have an upper bound too, by `reverse_ais`. The mean gap between both is at least the mean error of the lower bound for such
images; it suggests that of real images, but does not prove it.

    sizes = tune_step_sizes(model, params, key_tune, val_images[:20], 1000)  # then fixed, so that weights are correct
    result = ais_estimate(make_ais(model, 1000)(params, key, test_images, sizes))

    z = model.prior.sample(params, key_z, 100)
    x = model.sample_pixels(params, key_x, model.decode(params, z))
    lower = ais_estimate(make_ais(model, 1000)(params, key, x, sizes)).log_p
    upper = upper_bound(reverse_ais(model, params, key_reverse, x, z, sizes))

Axes: S chains per image, T temperatures.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from vae_jax.errors import InputError
from vae_jax.evaluation.estimators.annealed import Annealed, annealed_blocks
from vae_jax.evaluation.estimators.annealing import (
    forward_path,
    images_of_a_call,
    make_anneal,
    reverse_path,
)
from vae_jax.evaluation.estimators.diagnostics import estimate, log_mean
from vae_jax.evaluation.estimators.whole_split import Classes, Pixels
from vae_jax.types import Model, Params


class AIS(NamedTuple):
    """The results of annealed importance sampling for N images."""

    log_weights: Float[np.ndarray, "N S"]
    """The log weight of every chain, nats."""
    log_p: Float[np.ndarray, " N"]
    """The log of the mean weight, nats: a lower bound on log p(x) on average."""
    error: Float[np.ndarray, " N"]
    """Its Monte Carlo standard error over chains, nats, by the delta method. It does not include what all chains missed."""
    ess: Float[np.ndarray, " N"]
    """The effective number of chains, 1 to S."""
    acceptance: Float[np.ndarray, " T"]
    """The mean probability of acceptance at each temperature."""


Chains = Callable[..., Iterator[Annealed]]
"""(params, key, images [N,H,W,C], step_sizes [T], first=0, labels=None) -> Annealed blocks in order; image i has the number
first + i."""


def make_ais(
    model: Model, num_temperatures: int, num_chains: int = 16, num_leapfrog: int = 10, num_bytes: int | None = None
) -> Chains:
    """Make a function that yields the log weights of every image, by chains from the prior to the posterior.

    Image i has the key fold_in(key, i) and its chain c has fold_in(fold_in(key, i), c), so draws depend neither on the other
    images nor on the size of a call. Rounding does depend on it, and long chains can amplify the difference.

    Args:
        model: a model with a prior.
        num_temperatures: T, 1,000 to 10,000 (Wu et al. 2017).
        num_chains: S.
        num_leapfrog: the number of steps in a transition.
        num_bytes: the size of the decoder outputs of a call, at least those of one image's chains. None: 1 MiB on a CPU
            (convolutions are faster with half of it), else 256 MiB. Hidden layers and derivatives need memory in addition.

    Raises:
        InputError: the model has no prior, or the number of step sizes is not T.
    """
    anneal = make_anneal(model, num_chains, num_leapfrog)

    def chains(
        params: Params,
        key: PRNGKeyArray,
        images: Pixels,
        step_sizes: Float[np.ndarray, " n"],
        first: int = 0,
        labels: Classes = None,
    ) -> Iterator[Annealed]:
        if len(step_sizes) != num_temperatures:
            raise InputError(f"{len(step_sizes)} step sizes for {num_temperatures} temperatures; tune one for each")
        size = images_of_a_call(model, params, images, num_chains, num_bytes)
        return annealed_blocks(anneal, params, key, (images, None, labels), forward_path(step_sizes), size, first)

    return chains


def reverse_ais(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    x: Pixels,
    z: Any,
    step_sizes: Float[np.ndarray, " T"],
    num_chains: int = 16,
    num_leapfrog: int = 10,
    num_bytes: int | None = None,
    labels: Classes = None,
) -> Float[np.ndarray, "N S"]:
    """Return log weights of chains from the posterior to the prior [N, S], nats, for `upper_bound`.

    The z from which an image was drawn is an exact draw from p(z|x), and all chains of the image start there. So images are
    independent draws but the chains of one image are not: take the error of a mean from its spread over images.

    Args:
        model: a model with a prior.
        params: its parameters.
        key: the key for the chains, see `make_ais`.
        x: images drawn from p(x|z); never real images.
        z: the z of each image, drawn from the prior, leaves [N, ...].
        step_sizes: the step sizes of the forward chains.
        num_chains: S.
        num_leapfrog: the number of steps in a transition.
        num_bytes: see `make_ais`.
        labels: the classes of the images, for a conditional model.

    Raises:
        InputError: the model has no prior.
    """
    anneal = make_anneal(model, num_chains, num_leapfrog)
    size = images_of_a_call(model, params, x, num_chains, num_bytes)
    blocks = annealed_blocks(anneal, params, key, (x, z, labels), reverse_path(step_sizes), size, 0)
    return np.concatenate([block.log_weights for block in blocks])


def ais_estimate(blocks: Iterable[Annealed]) -> AIS:
    """Join all blocks of `make_ais` into one result."""
    parts = list(blocks)
    result = estimate(log_weights := np.concatenate([part.log_weights for part in parts]))
    acceptance = np.average([part.acceptance for part in parts], axis=0, weights=[len(p.log_weights) for p in parts])
    return AIS(log_weights, result.log_p, result.error, result.ess, acceptance)


def upper_bound(log_weights: Float[np.ndarray, "N S"]) -> Float[np.ndarray, " N"]:
    """Return -log of the mean of 1 / w over the chains of `reverse_ais` [N], nats.

    It is an upper bound on log p(x) on average: the expectation of 1 / w is 1 / p(x), and -log is convex (Grosse et al. 2015).
    """
    return -log_mean(-log_weights)
