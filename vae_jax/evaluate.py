"""Exact means over a split, whatever the batch size and the order: the noise of an image depends on its index alone."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int32, PRNGKeyArray, UInt8

from vae_jax.feed import unmap
from vae_jax.likelihoods import make_likelihood
from vae_jax.train_state import TrainState, make_preprocess
from vae_jax.types import Config, Model, Objective, Split

METRICS = ("elbo", "reconstruction", "kl", "loss", "mse", "mse_mean", "bits_per_dim", "active_units")
"""The order in which metrics are told; others follow."""
ACTIVE_VARIANCE = 0.01
"""A latent dimension is active when the variance of its posterior mean over the data is above this (Burda et al. 2016)."""


class PerImage(NamedTuple):
    """What evaluation knows of each image of a split."""

    terms: dict[str, Float[np.ndarray, " N"]]
    """The objective's terms without dropout, and mse_mean."""
    means: Float[np.ndarray, "N Z"]
    """Posterior means."""


Evaluate = Callable[[TrainState, PRNGKeyArray, Split], PerImage]


def make_evaluate(
    config: Config, model: Model, objective: Objective, sharding: NamedSharding | None = None
) -> Evaluate:
    """(state, key, split) -> PerImage.

    Image i of a split uses fold_in(key, i) for its binarisation and its z, so that means depend neither on
    `eval.batch_size` nor on the number of devices. The last batch is padded, and what the padding gives is dropped.

    Args:
        config: reads binarize and eval.batch_size.
        model: its posterior's `mean` is the z of mse_mean.
        objective: called with train=False.
        sharding: how a batch is laid out over the devices; the batch is rounded up to a multiple of their number.
    """
    preprocess = make_preprocess(config.binarize)
    devices = sharding.num_devices if sharding is not None else 1
    batch_size = -(-config.eval.batch_size // devices) * devices

    def image_terms(
        state: TrainState, key: PRNGKeyArray, image: UInt8[Array, "H W C"], index: Int32[Array, ""]
    ) -> tuple[dict[str, Float[Array, ""]], Float[Array, " Z"]]:
        key_pixels, key_terms = jax.random.split(jax.random.fold_in(key, index))
        x = preprocess(key_pixels, image[None])
        terms = objective(state.params, key_terms, x, state.step, state.hparams, train=False)
        mean = model.encode(state.params, x).mean
        pixels = model.pixel_mean(state.params, model.decode(state.params, mean))
        terms["mse_mean"] = jnp.square(x - pixels).mean(axis=(1, 2, 3))
        return {name: values[0] for name, values in terms.items()}, mean[0]

    batch_terms = jax.jit(jax.vmap(image_terms, in_axes=(None, None, 0, 0)))

    def evaluate(state: TrainState, key: PRNGKeyArray, split: Split) -> PerImage:
        pieces = []
        for start in range(0, len(split.images), batch_size):
            images = split.images[start : start + batch_size]
            padded = np.pad(images, [(0, batch_size - len(images)), (0, 0), (0, 0), (0, 0)])
            indices = np.arange(start, start + batch_size, dtype=np.int32)
            outputs = batch_terms(state, key, *jax.device_put((padded, indices), sharding))
            pieces.append(jax.device_get(outputs))
            unmap(split.images)
        terms, means = jax.tree.map(lambda *arrays: np.concatenate(arrays)[: len(split.images)], *pieces)
        return PerImage(terms, means)

    return evaluate


def summarize(config: Config, model: Model, per_image: PerImage, num_elements: int) -> dict[str, float]:
    """Means over a split in float64, active_units, and bits_per_dim where the pixels are discrete.

    Args:
        config: its likelihood decides whether pixels are discrete.
        model: decides whether there is a prior; without one there are no active units and no bits.
        per_image: of `make_evaluate`.
        num_elements: H W C.

    bits_per_dim is taken from the elbo, -elbo / (H W C ln 2): an upper bound on the one from the nll.
    """
    metrics = {name: float(values.astype(np.float64).mean()) for name, values in per_image.terms.items()}
    if model.log_prior is not None:
        if make_likelihood(config).discrete:
            metrics["bits_per_dim"] = -metrics["elbo"] / (num_elements * math.log(2))
        metrics["active_units"] = active_units(per_image.means)
    return {name: metrics[name] for name in (*METRICS, *metrics) if name in metrics}


def active_units(means: Float[np.ndarray, "N Z"]) -> int:
    """Number of latent dimensions whose posterior mean varies over the data (Burda et al. 2016, appendix C)."""
    return int((means.astype(np.float64).var(axis=0) > ACTIVE_VARIANCE).sum())
