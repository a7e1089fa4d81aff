"""Importance weights of a whole split, in device calls that stay within a given memory.

The cost is N x S decoder passes and little else. On a CPU a call decodes some 1000 pairs of image and sample at once, in one
product whose outputs stay in the cache.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Key, PRNGKeyArray, UInt8

from vae_jax.data.mapped import unmap
from vae_jax.data.preprocess import unit
from vae_jax.evaluation.estimators.diagnostics import log_mean
from vae_jax.models import given, prepared, require_rate
from vae_jax.objectives.weights import weigh
from vae_jax.randomness import fold_range
from vae_jax.types import Images, Model, Params

IMAGES_OF_A_CALL = 16
"""The least number of images in a call, if memory allows, so that they are encoded together."""
CACHE_BYTES, MEMORY_BYTES = 4 * 2**20, 256 * 2**20
"""The size of the decoder outputs of a call, on a CPU and on an accelerator."""

Pixels = UInt8[np.ndarray, "N H W C"] | Float[np.ndarray, "N H W C"] | Float[Array, "N H W C"]
"""Images u8 from 0 to 255, which are divided by 255, or x itself in [0, 1]."""
Classes = Any
"""The labels of images, which a conditional model needs; None for any other."""
Bound = Callable[..., Float[np.ndarray, " N"]]
"""(params, key, images [N,H,W,C], labels=None) -> a bound on log p(x) [N], of a conditional model on log p(x|y), nats."""


class Block(NamedTuple):
    """Consecutive images and the log weights of their samples, nats."""

    start: int
    """The number of the first image."""
    log_weights: Float[np.ndarray, "B S"]


Weights = Callable[..., Iterator[Block]]
"""(params, key, images [N,H,W,C], first=0, labels=None) -> Blocks in order; image i has the number first + i."""


def make_split_weights(model: Model, num_samples: int, num_bytes: int | None = None) -> Weights:
    """Make a function that yields the log weights of every image, block by block.

    Image i has the key fold_in(key, i) and its sample s has fold_in(fold_in(key, i), s), so a weight depends neither on the
    other images nor on the size of a call. An image is encoded once.

    Args:
        model: a model with a prior.
        num_samples: S.
        num_bytes: the size of the decoder outputs of a call; None: 4 MiB on a CPU (its cache), else 256 MiB. Hidden layers
            need memory in addition.

    Raises:
        InputError: the model has no prior.
    """
    require_rate(model)

    @jax.jit
    def encode(params: Params, images: UInt8[Array, "B H W C"] | Images, labels: Classes) -> tuple[Images, Any]:
        x = unit(images)
        return x, given(model, labels).encode(params, x)

    def image_weights(
        params: Params, key: PRNGKeyArray, image: tuple[Array, Any, Array | None], samples: Int32[Array, " S"]
    ) -> Float[Array, " S"]:
        x, row, label = jax.tree.map(lambda leaf: leaf[None], image)
        of_image = given(model, label)
        return jax.vmap(lambda key: weigh(of_image, params, key, x, row)[0])(fold_range(key, samples))

    @jax.jit
    def part_weights(
        params: Params, keys: Key[Array, " B"], images: tuple[Images, Any, Classes], samples: Int32[Array, " S"]
    ) -> Float[Array, "B S"]:
        return jax.vmap(image_weights, in_axes=(None, 0, 0, None))(params, keys, images, samples)

    def weights(
        params: Params, key: PRNGKeyArray, images: Pixels, first: int = 0, labels: Classes = None
    ) -> Iterator[Block]:
        images, params = np.asarray(images), prepared(model, params)
        size, parts = _cut(model, params, images, num_samples, num_bytes)
        for start in range(0, len(images), size):
            block = images[start : start + size]
            filled = np.pad(block, [(0, size - len(block)), (0, 0), (0, 0), (0, 0)])
            unmap(images)
            classes = None if labels is None else np.pad(labels[start : start + size], (0, size - len(block)))
            x, posterior = encode(params, filled, classes)
            keys = fold_range(key, first + start + jnp.arange(size))
            columns = jax.device_get(
                [part_weights(params, keys, (x, posterior, classes), samples) for samples in parts]
            )
            yield Block(first + start, np.concatenate(columns, axis=1)[: len(block), :num_samples])

    return weights


def make_split_bound(model: Model, num_samples: int, num_bytes: int | None = None) -> Bound:
    """Make a function (params, key, images [N,H,W,C], labels=None) -> iwae_bound [N], nats; see `make_split_weights`.

    Raises:
        InputError: the model has no prior.
    """
    weights = make_split_weights(model, num_samples, num_bytes)

    def bound(params: Params, key: PRNGKeyArray, images: Pixels, labels: Classes = None) -> Float[np.ndarray, " N"]:
        return np.concatenate([log_mean(block.log_weights) for block in weights(params, key, images, 0, labels)])

    return bound


def _cut(
    model: Model, params: Params, images: Pixels, num_samples: int, num_bytes: int | None
) -> tuple[int, list[Int32[Array, " S"]]]:
    """Return (images per call, sample numbers of each call): near num_bytes of outputs, the same in all calls."""
    if num_bytes is None:
        num_bytes = CACHE_BYTES if jax.default_backend() == "cpu" else MEMORY_BYTES
    one = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    key = jax.eval_shape(jax.random.key, 0)

    def decoded(params: Params, key: PRNGKeyArray, x: Images) -> Array:
        of_image = given(model, jnp.zeros(1, jnp.int32))
        return of_image.decode(params, of_image.reparameterize(params, key, of_image.encode(params, x)).z)

    outputs = jax.eval_shape(decoded, params, key, one)
    pairs = max(1, num_bytes // (outputs.size * outputs.dtype.itemsize))
    calls = -(-num_samples // max(1, pairs // IMAGES_OF_A_CALL))
    width = -(-num_samples // calls)
    samples = np.arange(calls * width, dtype=np.int32).reshape(calls, width)
    blocks = -(-len(images) // max(1, pairs // width))
    return -(-len(images) // blocks), list(map(jnp.asarray, samples))
