"""Log-likelihoods by importance sampling: the bound of many samples, of a batch or of a whole split.

A split's bound costs N x S decoder passes and little else. On a CPU its call decodes some 1000 pairs of image and sample at
once, as one product whose outputs stay in the cache, and the pixels are summed by `pixels.sum_pixels`.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Key, PRNGKeyArray, UInt8

from vae_jax.feed import unmap
from vae_jax.types import Images, InputError, Model, Params, PerExample

IMAGES_OF_A_CALL = 16
"""At least so many images share a call where memory allows, so that they are encoded together."""
CACHE_BYTES, MEMORY_BYTES = 4 * 2**20, 256 * 2**20
"""Of the decoder's outputs in a call, on a CPU and on an accelerator."""

Bound = Callable[[Params, PRNGKeyArray, UInt8[np.ndarray, "N H W C"]], Float[np.ndarray, " N"]]


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
    return _weigh(model, params, key, x, model.encode(params, x))


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
    keys = _fold_range(key, jnp.arange(num_samples))
    # What does not depend on the sample, the encoder, vmap computes once.
    weights = jax.vmap(lambda key: log_weight(model, params, key, x))(keys)
    return jax.nn.logsumexp(weights, axis=0) - math.log(num_samples)


def make_split_bound(model: Model, num_samples: int, num_bytes: int | None = None) -> Bound:
    """(params, key, images u8[N,H,W,C]) -> iwae_bound [N] of every image, nats.

    Image i has the key fold_in(key, i) and its sample s fold_in(fold_in(key, i), s), so that a bound depends neither on the
    images beside it nor on how the work is cut. An image is encoded once.

    Args:
        model: one with a prior.
        num_samples: S.
        num_bytes: of the decoder's outputs in a call; None: 4 MiB on a CPU (its cache), 256 MiB else. Hidden layers come
            on top of them.

    Raises:
        InputError: the model has no prior.
    """
    _check_prior(model)

    @jax.jit
    def encode(params: Params, images: UInt8[Array, "B H W C"]) -> tuple[Images, Any]:
        x = images.astype(jnp.float32) / 255
        return x, model.encode(params, x)

    def log_weights(
        params: Params, key: PRNGKeyArray, x: Float[Array, "H W C"], posterior: Any, samples: Int32[Array, " S"]
    ) -> Float[Array, " S"]:
        """Of one image."""
        alone = jax.tree.map(lambda leaf: leaf[None], posterior)
        weigh = jax.vmap(lambda key: _weigh(model, params, key, x[None], alone)[0])
        return jnp.where(samples < num_samples, weigh(_fold_range(key, samples)), -jnp.inf)

    @jax.jit
    def add(
        sums: _Sums, params: Params, keys: Key[Array, " B"], x: Images, posterior: Any, samples: Int32[Array, " S"]
    ) -> _Sums:
        weights = jax.vmap(log_weights, in_axes=(None, 0, 0, 0, None))(params, keys, x, posterior, samples)
        return _add(sums, weights)

    def bound(params: Params, key: PRNGKeyArray, images: UInt8[np.ndarray, "N H W C"]) -> Float[np.ndarray, " N"]:
        size, parts = _cut(model, params, images, num_samples, num_bytes)
        blocks = []
        for start, block in _blocks(images, size):
            x, posterior = encode(params, block)
            keys = _fold_range(key, start + jnp.arange(size))
            sums = _Sums(jnp.full(size, -jnp.inf), jnp.zeros(size))
            for samples in parts:
                sums = add(sums, params, keys, x, posterior, samples)
            blocks.append(sums)
        top, total = (np.concatenate(part)[: len(images)] for part in zip(*jax.device_get(blocks), strict=True))
        return top + np.log(total / num_samples)

    return bound


class _Sums(NamedTuple):
    """A sum of exp(log weight) for each image, as total exp(top)."""

    top: PerExample
    """The largest log weight so far."""
    total: PerExample


def _add(sums: _Sums, weights: Float[Array, "B S"]) -> _Sums:
    top = jnp.maximum(sums.top, weights.max(axis=1))
    shift = jnp.where(jnp.isfinite(top), top, 0)  # nothing but weights of 0 so far: -inf - -inf is no number
    total = sums.total * jnp.exp(sums.top - shift) + jnp.exp(weights - shift[:, None]).sum(axis=1)
    return _Sums(top, total)


def _weigh(model: Model, params: Params, key: PRNGKeyArray, x: Images, posterior: Any) -> PerExample:
    log_prior, log_posterior = _check_prior(model)
    z = model.reparameterize(params, key, posterior)
    log_joint = model.log_likelihood(params, x, model.decode(params, z)) + log_prior(params, z)
    return log_joint - log_posterior(params, posterior, z)


def _check_prior(model: Model) -> tuple[Callable[..., PerExample], Callable[..., PerExample]]:
    if model.log_prior is None or model.log_posterior is None:
        raise InputError("the model has no prior, so its images have no log p(x); choices: a variational model, as vae")
    return model.log_prior, model.log_posterior


def _fold_range(key: PRNGKeyArray, numbers: Int32[Array, " n"]) -> Key[Array, " n"]:
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def _cut(
    model: Model, params: Params, images: UInt8[np.ndarray, "N H W C"], num_samples: int, num_bytes: int | None
) -> tuple[int, list[Int32[Array, " S"]]]:
    """(images of a call, samples of each of their calls): whole numbers near num_bytes of outputs, calls alike."""
    if num_bytes is None:
        num_bytes = CACHE_BYTES if jax.default_backend() == "cpu" else MEMORY_BYTES
    one = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    key = jax.eval_shape(jax.random.key, 0)
    outputs = jax.eval_shape(
        lambda params, key, x: model.decode(params, model.reparameterize(params, key, model.encode(params, x))),
        params,
        key,
        one,
    )
    pairs = max(1, num_bytes // (outputs.size * outputs.dtype.itemsize))
    calls = -(-num_samples // max(1, pairs // IMAGES_OF_A_CALL))
    width = -(-num_samples // calls)
    samples = np.arange(calls * width, dtype=np.int32).reshape(calls, width)
    blocks = -(-len(images) // max(1, pairs // width))
    return -(-len(images) // blocks), list(map(jnp.asarray, samples))


def _blocks(images: UInt8[np.ndarray, "N H W C"], size: int) -> Iterator[tuple[int, np.ndarray]]:
    """(number of its first image, `size` images), the last block filled up with black ones."""
    for start in range(0, len(images), size):
        block = images[start : start + size]
        yield start, np.pad(block, [(0, size - len(block)), (0, 0), (0, 0), (0, 0)])
        unmap(images)
