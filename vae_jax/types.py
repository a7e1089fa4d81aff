"""The vocabulary of the package: the axis legend, the NamedTuples of pure functions, the data, the training state.

Axes: B examples, H height, W width, C channels, F decoder outputs per pixel, Z latent dimensions, K terms of the KL
(one per latent dimension of each stochastic layer), N examples of a split, T steps of a chunk. Images are NHWC.
Log-probabilities are in nats.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int32, UInt8

Config = Any
"""An ml_collections.ConfigDict with the keys of vae_jax.config.KEYS; no type checker knows its keys."""
Params = Any
"""A nested dict of arrays. The top level of a model's: "encoder" and "decoder", the networks' weights; "likelihood", the
likelihood's own parameters, often empty; "layers", the networks between the stochastic layers, in two_layer only."""
Images = Float[Array, "B H W C"]
Outputs = Float[Array, "B H W F"]
"""The outputs of a decoder: the likelihood's parameters for each pixel, F = C * outputs_per_channel."""
PerExample = Float[Array, " B"]
Terms = dict[str, PerExample]
Hparams = dict[str, Float[Array, ""]]
Corrupt = Callable[..., Images]
"""(key, x[B,H,W,C]) -> the images to encode in place of x [B,H,W,C], not clipped."""
Objective = Callable[..., Terms]
"""(params, key, x[B,H,W,C], step i32[], hparams dict[str, f32[]], train=True) -> Terms.

Each term has one value per example, in nats. "loss" is required and is minimised; the other terms are logged. With
train=False there is no dropout, and terms for evaluation alone (elbo, mse) are added.
"""


class Posterior(NamedTuple):
    """The posterior q(z|x), a diagonal Gaussian."""

    mean: Float[Array, "B Z"]
    logvar: Float[Array, "B Z"]


class Code(NamedTuple):
    """The code of an autoencoder without a prior: a point in place of a posterior."""

    mean: Float[Array, "B Z"]


class Likelihood(NamedTuple):
    """The likelihood p(x|z): a normalised density or mass over pixels in [0, 1]."""

    outputs_per_channel: int
    """The number of decoder outputs for each channel of a pixel."""
    init: Callable[..., Params]
    """(key) -> the likelihood's own parameters (a learned sigma), often empty."""
    log_prob: Callable[..., PerExample]
    """(params, x[B,H,W,C], outputs[B,H,W,C*outputs_per_channel]) -> log p(x|z) [B], nats per image."""
    pixel_mean: Callable[..., Images]
    """(params, outputs) -> E[x|z] [B,H,W,C] in [0, 1], for display and for mse."""
    output_bias: Callable[..., Array] | None
    """(mean_image[H,W,C]) -> the initial bias [H,W,C*outputs_per_channel] for which pixel_mean is the mean image; None: 0."""
    discrete: bool
    """True if log_prob is a mass over the pixel values of the config's data; bits_per_dim exists only then."""
    refit: Callable[..., Params] | None = None
    """(params, grads, step, num_elements) -> params after a step, or None if the optimizer sets them."""


class Model(NamedTuple):
    """An autoencoder as pure functions, params first; posteriors and z are opaque pytrees to everyone else.

    The last four fields are None for a model without a prior: callers test `model.log_prior is None`.
    """

    init: Callable[..., Params]
    """(key, mean_image[H,W,C]) -> params; the mean of the training images sets the output bias."""
    encode: Callable[..., Any]
    """(params, x[B,H,W,C], key=None) -> posterior; a key turns training noise (dropout) on."""
    reparameterize: Callable[..., Any]
    """(params, key, posterior) -> z."""
    decode: Callable[..., Array]
    """(params, z, key=None) -> the likelihood's outputs [B,H,W,C*outputs_per_channel]; a key turns dropout on."""
    log_likelihood: Callable[..., PerExample]
    """(params, x, outputs) -> log p(x|z) [B]."""
    pixel_mean: Callable[..., Images]
    """(params, outputs) -> E[x|z] [B,H,W,C] in [0, 1]."""
    log_prior: Callable[..., PerExample] | None = None
    """(params, z) -> log p(z) [B]."""
    log_posterior: Callable[..., PerExample] | None = None
    """(params, posterior, z) -> log q(z|x) [B]."""
    kl_terms: Callable[..., Float[Array, "B K"]] | None = None
    """(params, posterior, z) -> the terms of KL(q(z|x) || p(z)) [B, K], one per latent dimension; kl is their sum."""
    sample_prior: Callable[..., Any] | None = None
    """(params, key, n) -> n draws of z."""


class Split(NamedTuple):
    """One split of a data set, on the host."""

    images: UInt8[np.ndarray, "N H W C"]
    labels: Int32[np.ndarray, " N"]


class Dataset(NamedTuple):
    """The train, validation and test splits. A binarised split holds only 0 and 255."""

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...] = ()
    """The names of labels 0, 1, ...; empty if there are no labels."""
    grey: UInt8[np.ndarray, "N H W C"] | None = None
    """The published training images if the training split is binarised once and for all, or None."""


class TrainState(NamedTuple):
    """Everything that one training step hands to the next. It holds no random key: those follow from the seed and step."""

    step: Int32[Array, ""]
    params: Params
    opt_state: Any
    hparams: Hparams
    """The numbers that may differ within one compiled program, by their key in HPARAMS."""
