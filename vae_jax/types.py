"""The vocabulary of the package: the axis legend, the NamedTuples of pure functions, the data, the training state.

Axes: B examples, H height, W width, C channels, F decoder outputs per pixel, Z latent dimensions, K terms of the KL (one per
latent dimension of each stochastic layer), N examples of a split, T steps of a chunk. Images are NHWC. Log-probabilities: nats.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, Shaped, UInt8

Config = Any
"""An ml_collections.ConfigDict with the keys of vae_jax.config.KEYS; no type checker knows its keys."""
Params = Any
"""A nested dict of arrays. The top level of a model's: "encoder" and "decoder", the networks' weights; "likelihood" and
"prior", their own parameters, often empty; what one family has, such as "layers", "quantizer" or "moments". While a run trains
also "objective", from the objective's `init`, no part of the model. `Model.given` puts the labels of the rows under "label"."""
Images = Float[Array, "B H W C"]
Outputs = Float[Array, "B H W F"]
"""The outputs of a decoder: the likelihood's parameters for each pixel, F = C * outputs_per_channel."""
PerExample = Float[Array, " B"]
Terms = dict[str, PerExample]
Hparams = dict[str, Float[Array, "..."]]
"""The numbers that may differ within one compiled program, by the name of their `Key`: scalars, or [P] for P runs at once."""
Corrupt = Callable[..., Images]
"""(key, x[B,H,W,C]) -> the images to encode in place of x [B,H,W,C], not clipped."""


class Batch(NamedTuple):
    """The images of a training step or of an evaluation, pixels in [0, 1]."""

    x: Images
    labels: Int32[Array, " B"] | None = None
    """The classes, -1 where unknown; None if neither the model nor the objective reads them."""


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
    """A value per example, nats. "loss" is minimised, others are logged; evaluation adds elbo and mse. In training "critic_loss",
    if any, is minimised too: the gradient of "loss" is 0 on params["objective"], that of "critic_loss" is 0 elsewhere."""
    problems: Callable[["Model"], list[str]]
    """(model) -> the reasons why the model cannot be trained with it, each a predicate of the model: "has no prior, ..."."""
    best_metric: str
    """The validation metric that chooses the best checkpoint: val/elbo or val/loss."""
    stable_after_epoch: float = 0.0
    """The epoch after which the objective no longer changes; the best checkpoint is chosen from there on."""
    corrupt: Corrupt | None = None
    """The corruption of the images before they are encoded, or None."""
    init: Callable[[PRNGKeyArray, "Model", Params], Params] | None = None
    """(key, model, the model's params) -> params["objective"], its own parameters, such as a critic's; None: there are none."""
    critic_rate: str | None = None
    """The hparam that is the learning rate of params["objective"], which then have an optimizer of their own, or None."""
    smallest_part: int = 1
    """The fewest images of a batch, or of its part on one device and in one step of accumulation, that it is defined for."""


class Posterior(NamedTuple):
    """The posterior q(z|x), a diagonal Gaussian."""

    mean: Float[Array, "B Z"]
    logvar: Float[Array, "B Z"]


class Code(NamedTuple):
    """The code of an autoencoder without a prior: a point in place of a posterior."""

    mean: Float[Array, "B *T Z"]


class Likelihood(NamedTuple):
    """The likelihood p(x|z): a normalised density or mass over pixels in [0, 1]."""

    outputs_per_channel: int
    """The number of decoder outputs for each channel of a pixel."""
    init: Callable[[PRNGKeyArray], Params]
    """(key) -> the likelihood's own parameters (a learned sigma), often empty."""
    log_prob: Callable[[Params, Images, Outputs], PerExample]
    """(params, x[B,H,W,C], outputs[B,H,W,C*outputs_per_channel]) -> log p(x|z) [B], nats per image."""
    pixel_mean: Callable[[Params, Outputs], Images] | None
    """(params, outputs) -> E[x|z] [B,H,W,C] in [0, 1], for display and for mse; None: x can only be drawn."""
    sample: Callable[[Params, PRNGKeyArray, Outputs], Images]
    """(params, key, outputs) -> x ~ p(x|z) [B,H,W,C]; of an unbounded density it may lie outside of [0, 1]."""
    output_bias: Callable[[Float[Array, "H W C"]], Array] | None
    """(mean_image) -> the initial bias [H,W,C*outputs_per_channel] for which pixel_mean is the mean image; None: 0."""
    discrete: bool
    """True if log_prob is a mass over the pixel values of the config's data; bits_per_dim exists only then."""
    refit: Callable[[Params, Params, Int32[Array, ""], int], Params] | None = None
    """(params, grads, step, num_elements) -> params after a step, or None if the optimizer sets them."""
    sigma: Callable[[Params, Outputs], Images] | None = None
    """(params, outputs) -> the learned standard deviation of every pixel [B,H,W,C], or None if none is learned."""
    traits: frozenset[str] = frozenset()
    """See `Model.traits`, of which they become a part."""


class Spec(NamedTuple):
    """The facts about the data that a model is made for."""

    shape: tuple[int, int, int]
    """(H, W, C)."""
    num_classes: int = 0
    """The number of classes of the labels; 0: there are none."""
    num_train: int = 0
    """The number of training images; 0: not known."""
    class_names: tuple[str, ...] = ()
    """The names of labels 0, 1, ...; empty if there are none, or if they are not known."""
    levels: int = 0
    """The number L of grey levels k / (L - 1) that contain all pixels of all splits; 0: not counted."""
    codes: tuple[str, int, str] | None = None
    """(kind, K, digest of the encoding run) if the images are codes, see `data.codes.About`; None: they are pixels."""

    @property
    def sample_size(self) -> int:
        """The number of images in a `Sample` of all that is read for it: at most 1,000 and 16 MiB."""
        return min(self.num_train, 1000, 2**24 // math.prod(self.shape))


class Sample(NamedTuple):
    """The mean and some images of the training split, which initial parameters may depend on."""

    mean_image: Float[Array, "H W C"] | Float[np.ndarray, "H W C"]
    """Pixels in [0, 1]."""
    images: Shaped[Array, "M H W C"] | Shaped[np.ndarray, "M H W C"]
    """Different training images in random order, chosen by split_seed; M = 0 unless the model has the trait "sample"."""
    labels: Int32[Array, " M"] | Int32[np.ndarray, " M"] | None = None
    """Their classes; None if the model is not conditional."""


class Draw(NamedTuple):
    """One z of each example, and its log-density."""

    z: Any
    log_q: PerExample | None
    """log q(z|x) of this very z, nats; None if the model has no rate, or z is relaxed and so no draw from q(z|x)."""


class Prior(NamedTuple):
    """The prior p(z)."""

    init: Callable[[PRNGKeyArray, Sample], Params]
    """(key, sample) -> params["prior"], the prior's own parameters; the other functions take all params."""
    log_prob: "LogDensity | None"
    """(params, z) -> log p(z) [B], nats; None: the prior can only be sampled."""
    sample: "DrawPrior"
    is_standard: bool
    """True if z is one array [B, Z] and the prior is N(0, I), so that planes, Q-Q plots and tests of moments make sense."""
    prepare: Callable[[Params], Params] | None = None
    """(params) -> params in which what log_prob and sample derive from all params is computed, for use in loops; or None."""
    component: "Callable[[Params, Any], Int32[Array, ' B']] | None" = None
    """(params, z) -> the component of a mixture that most probably drew each z; None: the prior is no mixture."""
    traits: frozenset[str] = frozenset()
    """See `Model.traits`, of which they become a part."""


LogDensity = Callable[[Params, Any], PerExample]
"""(params, z) -> a log-density of z [B], nats."""
Refit = Callable[[PRNGKeyArray, Params, Params, Int32[Array, ""]], dict[str, Params]]


@runtime_checkable
class DrawPrior(Protocol):
    """The signature of `Prior.sample`."""

    def __call__(self, params: Params, key: PRNGKeyArray, n: int, temperature: float = 1.0, /) -> Any:
        """Draw n z from the prior; a temperature below 1 keeps them nearer to its modes."""


class Rate(NamedTuple):
    """The terms that make an elbo of a reconstruction."""

    kl_terms: Callable[[Params, Any, Draw], Float[Array, "B K"]]
    """(params, posterior, draw) -> the terms of KL(q(z|x) || p(z)) [B, K], nats: closed forms, or log q - log p of the draw."""
    kl_names: Callable[[], tuple[str, ...]]
    """() -> the names of the K columns, such as "z1", "upper z1" or "kl"; a function, because K may be a mistyped 10^9."""
    log_posterior: Callable[[Params, Any, Any], PerExample] | None
    """(params, posterior, z) -> log q(z|x) [B] of any z, nats; None if only that of a draw is known."""


@runtime_checkable
class Encode(Protocol):
    """The signature of `Model.encode`."""

    def __call__(self, params: Params, x: Images, key: PRNGKeyArray | None = None, /) -> Any:
        """Return the posterior of images; a key turns training noise (dropout) on."""


@runtime_checkable
class Decode(Protocol):
    """The signature of `Model.decode`."""

    def __call__(self, params: Params, z: Any, key: PRNGKeyArray | None = None, /) -> Outputs:
        """Return the likelihood's parameters for the pixels; a key turns dropout on."""
        ...


class Model(NamedTuple):
    """An autoencoder as pure functions, params first; posteriors and z are opaque pytrees to everyone else."""

    init: Callable[[PRNGKeyArray, Sample], Params]
    """(key, sample) -> params."""
    encode: Encode
    """(params, x[B,H,W,C], key=None) -> posterior; a key turns training noise (dropout) on."""
    reparameterize: Callable[[Params, PRNGKeyArray | None, Any], Draw]
    """(params, key, posterior) -> a draw of z; without a key the noise-free z, such as the posterior's mean."""
    view: Callable[[Params, Any], Float[Array, "B F"]]
    """(params, z) -> z as numbers, for planes, t-SNE, moments and classifiers."""
    place: Callable[[Params, Float[Array, "B F"]], Any] | None
    """(params, numbers) -> the z that they are the view of, for walks, traversals and sliders; None: there is no such map."""
    decode: Decode
    """(params, z, key=None) -> the likelihood's outputs [B,H,W,C*outputs_per_channel]; a key turns dropout on."""
    log_likelihood: Callable[[Params, Images, Outputs], PerExample]
    """(params, x, outputs) -> log p(x|z) [B], nats."""
    pixel_mean: Callable[[Params, Outputs], Images] | None
    """(params, outputs) -> E[x|z] [B,H,W,C] in [0, 1]; None: there are no pixels, or they can only be drawn."""
    sample_pixels: Callable[[Params, PRNGKeyArray, Outputs], Images]
    """(params, key, outputs) -> x ~ p(x|z) [B,H,W,C]."""
    likelihood: Likelihood
    prior: Prior | None = None
    """None: there is nothing to sample from."""
    rate: Rate | None = None
    """None: there is no elbo."""
    codes: Callable[[Params, Any], Int32[Array, "B T"]] | None = None
    """(params, z) -> the indices of its T discrete codes; None: z is not discrete."""
    from_codes: Callable[[Params, Int32[Array, "B T"]], Any] | None = None
    """(params, indices) -> the z of which they are the `codes`; None: z is not discrete."""
    num_codes: int = 0
    """The number of values that each code may have; 0: z is not discrete."""
    grid: tuple[int, ...] = ()
    """The places of z, each with a vector or a code: (h, w), (T,), or (h, w, R) with R codes each; (): z is not divided."""
    relax: Callable[[Params, PRNGKeyArray, Any], Draw] | None = None
    """(params, key, posterior) -> the z that training decodes in place of a draw without a gradient; None: the draw itself."""
    penalty: Callable[[Params, Any, Draw], PerExample] | None = None
    """(params, posterior, draw) -> the model's own term of the loss [B], nats."""
    refit: Refit | None = None
    """(key, params, grads, step) -> {name: subtree} of params that a rule sets in the optimizer's place."""
    layers: Callable[[Params], Any] | None = None
    """(params) -> `networks.layers.Layers`, for exports and the page; None: both leave the networks out."""
    given: "Callable[[Int32[Array, ' R']], Model] | None" = None
    """(labels) -> p(x|y) of these rows, inside a traced function that takes labels, repeated like rows. None: not conditional."""
    traits: frozenset[str] = frozenset()
    """Facts that others ask. "columns": a column of kl_terms for each dimension of the view. "conv": convolutions. "dropout":
    a key changes encode and decode. "sample": init reads `Sample.images`. "discrete": z is made of codes. "deterministic": q(z|x)
    is 1 for one z. "manifold": z is on a sphere. "no_pixels": the data are codes. "pair": the prior was learned afterwards."""


class Split(NamedTuple):
    """One split of a data set, on the host: pixels u8, or the codes of another run, indices i32 or latents f32."""

    images: Shaped[np.ndarray, "N H W C"]
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
