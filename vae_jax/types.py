"""The vocabulary of the package: the axis legend, the NamedTuples of pure functions, the data, the training state.

Axes: B examples, H height, W width, C channels, F decoder outputs per pixel, Z latent dimensions, K terms of the KL
(one per latent dimension of each stochastic layer), N examples of a split, T steps of a chunk. Images are NHWC.
Log-probabilities are in nats.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, UInt8

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
Hparams = dict[str, Float[Array, "..."]]
"""The numbers that may differ within one compiled program, by their key in HPARAMS: scalars, or [P] for P runs at once."""
Corrupt = Callable[..., Images]
"""(key, x[B,H,W,C]) -> the images to encode in place of x [B,H,W,C], not clipped."""


class Batch(NamedTuple):
    """The images of a training step or of an evaluation."""

    x: Images
    """Pixels in [0, 1]."""


class Context(NamedTuple):
    """The step, numbers and mode of one call of an objective."""

    step: Int32[Array, ""]
    """The number of training steps before this one."""
    hparams: Hparams
    train: bool = True
    """False in evaluation: no dropout, and the loss of an example does not depend on the others."""
    axis_name: str | None = None
    """The axis of `jax.pmap` or `jax.shard_map` that splits the batch, or None."""

    def batch_mean(self, values: Float[Array, "B *rest"]) -> Float[Array, "*rest"]:
        """Return the mean over the batch, which is that of all devices."""
        mean = values.mean(axis=0)
        return mean if self.axis_name is None else jax.lax.pmean(mean, self.axis_name)


@runtime_checkable
class ComputeTerms(Protocol):
    """The signature of `Objective.terms`."""

    def __call__(self, model: "Model", params: Params, key: PRNGKeyArray, batch: Batch, context: Context, /) -> Terms:
        """Return the terms of a batch."""
        ...


class Objective(NamedTuple):
    """The quantity that training minimises."""

    terms: ComputeTerms
    """One value per example, in nats. "loss" is minimised; the other terms are logged. In evaluation the terms that only it
    needs (elbo, mse) are added."""
    problems: Callable[["Model"], list[str]]
    """(model) -> the reasons why the model cannot be trained with it, each a predicate of the model: "has no prior, ..."."""
    best_metric: str
    """The validation metric that chooses the best checkpoint: val/elbo or val/loss."""
    stable_after_epoch: float = 0.0
    """The epoch after which the objective no longer changes; the best checkpoint is chosen from there on."""
    corrupt: Corrupt | None = None
    """The corruption of the images before they are encoded, or None."""


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
