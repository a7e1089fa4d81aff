"""The vocabulary that every room shares: axis legend, the NamedTuples of pure functions, the data, bad input.

Axes: B examples, H height, W width, C channels, F decoder outputs of a pixel, Z latent dimensions, K terms of the KL
(one a latent dimension or layer), N examples of a split, T steps of a chunk. Images are NHWC. Log-probabilities are in
nats.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int32, UInt8

Config = Any
"""An ml_collections.ConfigDict with the keys of vae_jax.config.KEYS; no type checker knows its keys."""
Params = Any
Images = Float[Array, "B H W C"]
Outputs = Float[Array, "B H W F"]
"""A decoder's: the likelihood's parameters of each pixel, F = C * outputs_per_channel."""
PerExample = Float[Array, " B"]
Terms = dict[str, PerExample]
Corrupt = Callable[..., Images]
"""(key, x[B,H,W,C]) -> what is encoded in the place of x [B,H,W,C], not clipped."""
Objective = Callable[..., Terms]
"""(params, key, x[B,H,W,C], step i32[], hparams dict[str, f32[]], train=True) -> Terms.

Terms hold one value an example, in nats; "loss" is required and is what is minimised, the rest is logged. With train=False
there is no dropout, and the terms that only evaluation wants (elbo, mse) are added.
"""


class Posterior(NamedTuple):
    """q(z|x), a diagonal Gaussian."""

    mean: Float[Array, "B Z"]
    logvar: Float[Array, "B Z"]


class Code(NamedTuple):
    """What an autoencoder without a prior puts in the posterior's place: a point."""

    mean: Float[Array, "B Z"]


class Likelihood(NamedTuple):
    """p(x|z), a normalised density or mass over pixels in [0, 1]."""

    outputs_per_channel: int
    """Decoder outputs for each channel of a pixel."""
    init: Callable[..., Params]
    """(key) -> params of the likelihood itself (a learned sigma), often empty."""
    log_prob: Callable[..., PerExample]
    """(params, x[B,H,W,C], outputs[B,H,W,C*outputs_per_channel]) -> log p(x|z) [B], nats per image."""
    pixel_mean: Callable[..., Images]
    """(params, outputs) -> E[x|z] [B,H,W,C] in [0, 1], for people to look at."""
    output_bias: Callable[..., Array] | None
    """(mean_image[H,W,C]) -> initial bias [H,W,C*outputs_per_channel] that makes pixel_mean the mean image; None: zeros."""
    discrete: bool
    """Whether log_prob is a mass over the pixel values that the config's data have: only then are there bits_per_dim."""
    refit: Callable[..., Params] | None = None
    """(params, grads, step, num_elements) -> params after a step, where a rule and not the optimizer sets them."""


class Model(NamedTuple):
    """An autoencoder as pure functions, params first; posteriors and z are opaque pytrees to everyone else.

    The last four are None for a model without a prior: callers test `model.log_prior is None`.
    """

    init: Callable[..., Params]
    """(key, mean_image[H,W,C]) -> params; the mean of the training images sets the output bias."""
    encode: Callable[..., Any]
    """(params, x[B,H,W,C], key=None) -> posterior; a key switches training noise (dropout) on."""
    reparameterize: Callable[..., Any]
    """(params, key, posterior) -> z."""
    decode: Callable[..., Array]
    """(params, z, key=None) -> the likelihood's outputs [B,H,W,C*outputs_per_channel]."""
    log_likelihood: Callable[..., PerExample]
    """(params, x, outputs) -> log p(x|z) [B]."""
    pixel_mean: Callable[..., Images]
    """(params, outputs) -> E[x|z] [B,H,W,C] in [0, 1]."""
    log_prior: Callable[..., PerExample] | None
    """(params, z) -> log p(z) [B]."""
    log_posterior: Callable[..., PerExample] | None
    """(params, posterior, z) -> log q(z|x) [B]."""
    kl_terms: Callable[..., Float[Array, "B K"]] | None
    """(params, posterior, z) -> KL(q(z|x) || p(z)) [B, K], one column a latent dimension; kl is their sum."""
    sample_prior: Callable[..., Any] | None
    """(params, key, n) -> n draws of z."""


class Split(NamedTuple):
    """One split of a data set, on the host."""

    images: UInt8[np.ndarray, "N H W C"]
    labels: Int32[np.ndarray, " N"]


class Dataset(NamedTuple):
    """Train, validation and test split. A binarised split holds only 0 and 255."""

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...] = ()
    """Names of labels 0, 1, ...; empty when there are no labels."""


class TrainState(NamedTuple):
    """All that training carries from step to step; nothing random is in it."""

    step: Int32[Array, ""]
    params: Params
    opt_state: Any
    hparams: dict[str, Float[Array, ""]]
    """Numbers that may differ within one compiled program, by their key in HPARAMS."""
