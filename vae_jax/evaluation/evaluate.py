"""Exact means over a split, whatever the batch size and the order: the noise of an image depends on its index alone."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int32, Key, PRNGKeyArray, Shaped

from vae_jax.data.mapped import unmap
from vae_jax.data.preprocess import make_preprocess
from vae_jax.evaluation.aggregate_posterior import SampledLatents, sums_of
from vae_jax.evaluation.code_usage import usage_of
from vae_jax.evaluation.image_quality import quality
from vae_jax.evaluation.per_image import PerImage
from vae_jax.models import given
from vae_jax.objectives.forward import squared_error
from vae_jax.system import devices
from vae_jax.system.devices import BYTES_OF_A_CALL, Layout
from vae_jax.types import Batch, Config, Context, Dataset, Hparams, Model, Objective, Split, TrainState

Evaluate = Callable[[TrainState, Key[Array, "..."], Split, Hparams], PerImage]


def make_evaluate(
    config: Config,
    model: Model,
    objective: Objective,
    layout: Layout | None = None,
    batches_per_call: int = 1,
    population: bool = False,
) -> Evaluate:
    """Make a function (state, key, split, hparams) -> PerImage.

    Image i of a split uses fold_in(key, i) for its binarisation and its z, so means depend neither on `eval.batch_size` nor
    on the number of devices. The last call is padded, and the results for the padding are dropped.

    Args:
        config: reads binarize and eval.batch_size.
        model: its noise-free z is that of mse_mean, psnr and ssim.
        objective: its terms are computed as in evaluation.
        layout: how a batch is laid out over the devices; the batch is rounded up to a multiple of their number.
        batches_per_call: the number of batches in one device call.
        population: True if state, key and hparams are those of several runs, along a first axis; results then have that axis too,
            before the axis of images or of latent dimensions.
    """
    image_terms = _make_image_terms(config, model, objective)
    sharding, everywhere = (layout.order, layout.replicated) if layout is not None else (None, None)
    num_shards = sharding.num_devices if sharding is not None else 1
    batch_size = -(-config.eval.batch_size // num_shards) * num_shards
    size = batches_per_call * batch_size
    call_terms = _make_call_terms(image_terms)
    mapped = jax.vmap(call_terms, in_axes=(0, 0, None, None, 0, None)) if population else call_terms
    compiled = jax.jit(mapped, out_shardings=everywhere)
    discrete = model.likelihood.discrete

    def call(state: TrainState, key: Key[Array, "..."], split: Split, hparams: Hparams, start: int) -> _Results:
        images = split.images[start : start + size]
        if len(images) < size:
            images = np.pad(images, [(0, size - len(images)), (0, 0), (0, 0), (0, 0)])
        indices = np.arange(start, start + size, dtype=np.int32).reshape(batches_per_call, batch_size)
        images = images.reshape(*indices.shape, *images.shape[1:])
        rows = np.resize(split.labels[start : start + size], indices.shape)
        labels = None if model.given is None else devices.put(rows, sharding)
        return compiled(state, key, devices.put(images, sharding), devices.put(indices, sharding), hparams, labels)

    def evaluate(state: TrainState, key: Key[Array, "..."], split: Split, hparams: Hparams) -> PerImage:
        pieces, count, axis = [], len(split.images), 1 if population else 0
        total: Any = None
        for start in range(0, count, size):
            # Fetched before the next call starts: two at once would take twice the memory.
            results = jax.device_get(call(state, key, split, hparams, start))
            unmap(split.images)
            kept = np.s_[:, : count - start] if population else np.s_[: count - start]
            terms, means, latents, codes = jax.tree.map(lambda values, kept=kept: values[kept], results)
            pieces.append((terms, means))
            sums = latents and sums_of(latents, axis), usage_of(model, codes)
            total = sums if total is None else jax.tree.map(np.add, total, sums)
        terms, means = jax.tree.map(lambda *arrays: np.concatenate(arrays, axis), *pieces)
        aggregate, usage = jax.tree.map(lambda values: values / count, total[0]), total[1]
        about = discrete, aggregate, usage, None if model.given is None else split.labels
        return PerImage(terms, means, math.prod(split.images.shape[1:]), *about)

    return evaluate


_Results = tuple[dict[str, Any], Any, SampledLatents | None, Any]
"""Results for the images of a call: terms [B], noise-free z [B, F], a sampled z if there is a rate, and None; of a model with
discrete codes the terms, None, None, and the codes [B, T]."""


def _make_call_terms(image_terms: Callable[..., Any]) -> Callable[..., _Results]:
    """Make a function (state, key, images u8[T,B,H,W,C], their indices i32[T,B], hparams, labels) -> results of T B images."""

    def call_terms(
        state: TrainState,
        key: PRNGKeyArray,
        images: Shaped[Array, "T B H W C"],
        indices: Int32[Array, "T B"],
        hparams: Hparams,
        labels: Int32[Array, "T B"] | None,
    ) -> _Results:
        batch_terms = jax.vmap(partial(image_terms, state, hparams, key))
        if len(images) == 1:  # not a loop with one iteration: see make_train_chunk
            return batch_terms(images[0], indices[0], None if labels is None else labels[0])
        results = jax.lax.map(lambda batch: batch_terms(*batch), (images, indices, labels))
        return jax.tree.map(lambda values: values.reshape(indices.size, *values.shape[2:]), results)

    return call_terms


def _make_image_terms(config: Config, family: Model, objective: Objective) -> Callable[..., Any]:
    """Make a function (state, hparams, key, image u8[H,W,C], its index, its label) -> `_Results` of one image, without B."""
    preprocess = make_preprocess(config.binarize)

    def image_terms(
        state: TrainState,
        hparams: Hparams,
        key: PRNGKeyArray,
        image: Shaped[Array, "H W C"],
        index: Int32[Array, ""],
        label: Int32[Array, ""] | None,
    ) -> _Results:
        key_image = jax.random.fold_in(key, index)
        key_pixels, key_terms = jax.random.split(key_image)
        x = preprocess(key_pixels, image[None])
        # The objective is called with B = 1, so a term that couples the images of a batch would have no meaning here.
        context = Context(state.step, hparams, train=False)
        batch = Batch(x, None if label is None else label[None])
        model = given(family, batch.labels)
        terms = objective.terms(model, state.params, key_terms, batch, context)
        posterior = model.encode(state.params, x)
        z = model.reparameterize(state.params, None, posterior).z
        means, outputs = model.view(state.params, z), model.decode(state.params, z)
        if model.pixel_mean is not None:
            terms["mse_mean"] = squared_error(model, state.params, batch, outputs)
            terms |= quality(x, model.pixel_mean(state.params, outputs))
        if model.rate is None and model.prior is not None and model.prior.log_prob is not None:
            terms["code_log_density"] = model.prior.log_prob(state.params, z)
        latents, codes = None, None
        if model.codes is not None:
            means, codes = None, model.codes(state.params, z)
        elif model.rate is not None:
            # fold_in(key, 0) and fold_in(key, 1) are the keys that split returned.
            draw = model.reparameterize(state.params, jax.random.fold_in(key_image, 2), posterior)
            kl_terms = model.rate.kl_terms(state.params, posterior, draw)
            latents = SampledLatents(kl_terms, model.view(state.params, draw.z))
        return jax.tree.map(lambda values: values[0], (terms, means, latents, codes))

    return image_terms


def batches_per_call(config: Config, dataset: Dataset) -> int:
    """Return the number of batches in one call of an evaluation.

    On an accelerator the validation split is one call, if it fits. On a CPU a call is one batch: a CPU is not idle between
    calls, and is slow at convolutions inside loops.
    """
    if jax.default_backend() == "cpu":
        return 1
    images = dataset.val.images
    most = max(1, BYTES_OF_A_CALL // (config.eval.batch_size * images[:1].nbytes))
    return min(most, -(-len(images) // config.eval.batch_size))
