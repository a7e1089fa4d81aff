"""Exact means over a split, whatever the batch size and the order: the noise of an image depends on its index alone."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Key, PRNGKeyArray, UInt8

from vae_jax.data.mapped import unmap
from vae_jax.data.preprocess import make_preprocess
from vae_jax.evaluation.aggregate_posterior import Aggregate, Latents, sums_of
from vae_jax.models.likelihoods import make_likelihood
from vae_jax.models.likelihoods.pixels import mean_pixels
from vae_jax.models.standard_normal import flat, from_standard
from vae_jax.system import devices
from vae_jax.system.devices import BYTES_OF_A_CALL, Layout
from vae_jax.types import Config, Dataset, Model, Objective, Split, TrainState

METRICS = ("elbo", "reconstruction", "kl", "loss", "mse", "mse_mean", "bits_per_dim", "active_units")
"""The order in which metrics are told; others follow."""
ACTIVE_VARIANCE = 0.01
"""A latent dimension is active when the variance of its posterior mean over the data is above this (Burda et al. 2016)."""


class PerImage(NamedTuple):
    """What evaluation knows of each image of a split, and of all together."""

    terms: dict[str, Float[np.ndarray, " N"]]
    """The objective's terms without dropout, and mse_mean."""
    means: Float[np.ndarray, "N Z"]
    """Posterior means."""
    aggregate: Aggregate | None = None
    """None for a model without a prior."""

    def of(self, i: int) -> "PerImage":
        """That of run i, where what is known of several runs lies along a first axis."""
        return PerImage(*jax.tree.map(lambda values: values[i], tuple(self)))


Evaluate = Callable[[TrainState, Key[Array, "..."], Split], PerImage]


def make_evaluate(
    config: Config,
    model: Model,
    objective: Objective,
    layout: Layout | None = None,
    batches_per_call: int = 1,
    population: bool = False,
) -> Evaluate:
    """(state, key, split) -> PerImage.

    Image i of a split uses fold_in(key, i) for its binarisation and its z, so that means depend neither on
    `eval.batch_size` nor on the number of devices. The last call is padded, and what the padding gives is dropped.

    Args:
        config: reads binarize and eval.batch_size.
        model: its posterior's `mean` is the z of mse_mean.
        objective: called with train=False.
        layout: how a batch is laid out over the devices; the batch is rounded up to a multiple of their number.
        batches_per_call: how many batches one call of the device takes.
        population: whether state and key hold those of several runs, along a first axis; what is found then has that axis
            too, before that of the images or of the latent dimensions.
    """
    image_terms = _make_image_terms(config, model, objective)
    sharding, everywhere = (layout.order, layout.replicated) if layout is not None else (None, None)
    sharers = sharding.num_devices if sharding is not None else 1
    batch_size = -(-config.eval.batch_size // sharers) * sharers
    size = batches_per_call * batch_size
    of_call = _make_terms_of_call(image_terms)
    mapped = jax.vmap(of_call, in_axes=(0, 0, None, None)) if population else of_call
    compiled = jax.jit(mapped, out_shardings=everywhere)

    def call(state: TrainState, key: Key[Array, "..."], split: Split, start: int) -> _Found:
        images = split.images[start : start + size]
        if len(images) < size:
            images = np.pad(images, [(0, size - len(images)), (0, 0), (0, 0), (0, 0)])
        indices = np.arange(start, start + size, dtype=np.int32).reshape(batches_per_call, batch_size)
        images = images.reshape(*indices.shape, *images.shape[1:])
        return compiled(state, key, devices.put(images, sharding), devices.put(indices, sharding))

    def evaluate(state: TrainState, key: Key[Array, "..."], split: Split) -> PerImage:
        pieces, count, axis = [], len(split.images), 1 if population else 0
        total: Any = None
        for start in range(0, count, size):
            # Fetched before the next call begins: two at once would take twice the memory.
            found = jax.device_get(call(state, key, split, start))
            unmap(split.images)
            own = np.s_[:, : count - start] if population else np.s_[: count - start]
            terms, means, latents = jax.tree.map(lambda values, own=own: values[own], found)
            pieces.append((terms, means))
            sums = latents and sums_of(latents, axis)
            total = sums if total is None else jax.tree.map(np.add, total, sums)
        terms, means = jax.tree.map(lambda *arrays: np.concatenate(arrays, axis), *pieces)
        return PerImage(terms, means, jax.tree.map(lambda values: values / count, total))

    return evaluate


_Found = tuple[dict[str, Any], Any, Latents | None]
"""Of a call's images: terms [B], posterior means [B, Z], and what a sampled z shows, where there is a prior."""


def _make_terms_of_call(image_terms: Callable[..., Any]) -> Callable[..., _Found]:
    """(state, key, images u8[T,B,H,W,C], their indices i32[T,B]) -> what is found of all T B images."""

    def terms_of_call(
        state: TrainState, key: PRNGKeyArray, images: UInt8[Array, "T B H W C"], indices: Int32[Array, "T B"]
    ) -> _Found:
        batch_terms = jax.vmap(partial(image_terms, state, key))
        if len(images) == 1:  # not a loop of one: see make_train_chunk
            return batch_terms(images[0], indices[0])
        found = jax.lax.map(lambda batch: batch_terms(*batch), (images, indices))
        return jax.tree.map(lambda values: values.reshape(indices.size, *values.shape[2:]), found)

    return terms_of_call


def _make_image_terms(config: Config, model: Model, objective: Objective) -> Callable[..., Any]:
    """(state, key, image u8[H,W,C], its index) -> what `_Found` holds, of one image."""
    preprocess = make_preprocess(config.binarize)

    def image_terms(
        state: TrainState, key: PRNGKeyArray, image: UInt8[Array, "H W C"], index: Int32[Array, ""]
    ) -> _Found:
        key_image = jax.random.fold_in(key, index)
        key_pixels, key_terms = jax.random.split(key_image)
        x = preprocess(key_pixels, image[None])
        terms = objective(state.params, key_terms, x, state.step, state.hparams, train=False)
        posterior = model.encode(state.params, x)
        pixels = model.pixel_mean(state.params, model.decode(state.params, posterior.mean))
        terms["mse_mean"] = mean_pixels(jnp.square(x - pixels))
        latents = None
        if model.kl_terms is not None:
            # fold_in(key, 0) and fold_in(key, 1) are what split gave.
            z = model.reparameterize(state.params, jax.random.fold_in(key_image, 2), posterior)
            kl_terms = model.kl_terms(state.params, posterior, z)
            latents = Latents(kl_terms, flat(z), from_standard(model, state.params, z))
        return jax.tree.map(lambda values: values[0], (terms, posterior.mean, latents))

    return image_terms


def batches_per_call(config: Config, dataset: Dataset) -> int:
    """Batches of an evaluation's call: on an accelerator the validation split in one, on a CPU, which is not idle between
    calls and is slow at convolutions inside loops, one."""
    if jax.default_backend() == "cpu":
        return 1
    images = dataset.val.images
    most = max(1, BYTES_OF_A_CALL // (config.eval.batch_size * images[:1].nbytes))
    return min(most, -(-len(images) // config.eval.batch_size))


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
