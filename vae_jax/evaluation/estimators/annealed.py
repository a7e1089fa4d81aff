"""The chains of a whole split, call by call."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from vae_jax.data.mapped import unmap
from vae_jax.evaluation.estimators.annealing import Path, as_pixels
from vae_jax.evaluation.estimators.whole_split import Classes, Pixels
from vae_jax.randomness import fold_range
from vae_jax.types import Params


class Annealed(NamedTuple):
    """Consecutive images and the log weights of their chains, nats."""

    start: int
    """The number of the first image."""
    log_weights: Float[np.ndarray, "B S"]
    acceptance: Float[np.ndarray, " T"]
    """The mean probability of acceptance of each transition."""


def annealed_blocks(
    anneal: Callable[..., Any],
    params: Params,
    key: PRNGKeyArray,
    rows: tuple[Pixels, Any, Classes],
    path: Path,
    size: int,
    first: int,
) -> Iterator[Annealed]:
    """Yield the chains of `size` images per call; the last call is padded with zeros, which the results leave out.

    `rows` are the images, the z that their chains start from or None, and their labels or None.
    """
    images, *others = jax.tree.map(np.asarray, rows)
    for start in range(0, len(images), size):
        count = min(size, len(images) - start)

        def cut(values: np.ndarray, start: int = start, count: int = count) -> np.ndarray:
            return np.pad(values[start : start + count], [(0, size - count), *[(0, 0)] * (values.ndim - 1)])

        x, keys = as_pixels(cut(images)), fold_range(key, first + start + jnp.arange(size))
        unmap(images)
        z, labels = jax.tree.map(cut, others)
        share = np.where(np.arange(size) < count, np.float32(1 / count), np.float32(0))
        log_weights, acceptance = jax.device_get(anneal(params, keys, x, z, path, share, labels))
        yield Annealed(first + start, log_weights[:count], acceptance)
