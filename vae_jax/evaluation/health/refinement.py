"""Posteriors optimised for each image with a fixed decoder: the loss of the encoder, and the loss of the family.

log p(x) - elbo = (log p(x) - elbo of the best q of the family) + (that - elbo of the encoder's q): the approximation gap and
the amortisation gap (Cremer et al. 2018, eq. 4).
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.evaluation.health.codes import Labels
from vae_jax.evaluation.health.effort import Effort, Refined
from vae_jax.evaluation.health.optimisation import (
    STEPS_OF_A_CALL,
    Compiled,
    compile_refinement,
    num_scouting,
    refine_block,
)
from vae_jax.models import prepared
from vae_jax.types import Batch, Model, Params

IMAGES_OF_A_BLOCK = 250
"""The most images that are optimised at once. All blocks have the same size, so everything is compiled once."""


class Speed(NamedTuple):
    """Times measured on this machine, seconds."""

    compilation: float
    """The compilation of the step, or its loading from the cache."""
    decoder_pass: float
    """The time to decode one z, with the derivative for z."""


class Refine(NamedTuple):
    """The optimisation of posteriors, see `make_refine`; compiled at the first call."""

    compiled: Compiled
    effort: Effort

    def __call__(
        self,
        params: Params,
        key: PRNGKeyArray,
        images: UInt8[np.ndarray, "B H W C"],
        progress: Callable[[float], None] = lambda share: None,
        labels: Labels = None,
        size: int | None = None,
        num_samples: int | None = None,
    ) -> Refined:
        """Optimise the posterior of every image.

        Args:
            params: the parameters.
            key: the key for all draws.
            images: the images.
            progress: called with the finished share of the work.
            labels: the images' labels, for a conditional model.
            size: the number of images of a block, see `block_size`; None: at most IMAGES_OF_A_BLOCK.
            num_samples: the number of new samples; None: `effort.samples`.
        """
        results, params = [], prepared(self.compiled.model, params)
        effort, size = (
            self.effort._replace(samples=num_samples or self.effort.samples),
            min(size or IMAGES_OF_A_BLOCK, len(images)),
        )
        for start in range(0, len(images), size):

            def report(share: float, start: int = start) -> None:
                progress(min(1.0, (start + share * size) / len(images)))

            batch, keys = _block(images, labels, start, size), jax.random.fold_in(key, start)
            refined = refine_block(self.compiled, params, keys, batch, effort, report)
            left = len(images) - start
            results.append(jax.tree.map(lambda values, left=left: values[:left], refined))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *results)

    def measure_speed(
        self, params: Params, images: UInt8[np.ndarray, "B H W C"], labels: Labels = None, size: int | None = None
    ) -> Speed:
        """Compile the step and time a few steps of the first block; their results are not used."""
        compiled, params, size = (
            self.compiled,
            prepared(self.compiled.model, params),
            min(size or IMAGES_OF_A_BLOCK, len(images)),
        )
        batch, key = _block(images, labels, 0, size), jax.random.key(0)
        posterior = jax.block_until_ready(compiled.encode(params, batch))
        started, state = time.monotonic(), compiled.init(posterior)
        jax.block_until_ready(compiled.steps(params, batch, posterior, state, key, 0, 0))
        ready = time.monotonic()
        jax.block_until_ready(compiled.steps(params, batch, posterior, state, key, 0, STEPS_OF_A_CALL))
        passes = STEPS_OF_A_CALL * self.effort.samples_of_a_step * size
        return Speed(ready - started, (time.monotonic() - ready) / passes)

    def passes(self, num_images: int, num_samples: int | None = None) -> float:
        """Return the number of decoder passes with derivative for so many images; one without derivative counts half."""
        effort = self.effort
        scouting = num_scouting(effort)
        steps = effort.samples_of_a_step * (effort.starts * scouting + effort.steps - scouting)
        chosen = (effort.starts + 2) * effort.samples_to_choose
        return num_images * (steps + chosen / 2 + (num_samples or effort.samples))


def block_size(*counts: int) -> int:
    """Return the size of blocks for several numbers of images, at most IMAGES_OF_A_BLOCK, that fills up the last ones best."""
    sizes = range(-(-IMAGES_OF_A_BLOCK // 2), IMAGES_OF_A_BLOCK + 1)
    return min(sizes, key=lambda size: (sum(-(-count // size) * size for count in counts), -size))


def make_refine(model: Model, effort: Effort = Effort()) -> Refine:  # noqa: B008 - immutable
    """Make a function that optimises the elbo of every image over its posterior, a pytree of any numbers.

    The decoder is fixed, and so are parts of z that follow from other parts, such as upper layers from a sampled lower one:
    their loss counts as the family's. `Refine.passes` is the cost.

    Args:
        model: a model with a prior.
        effort: see `Effort`.

    Raises:
        InputError: the model has no prior.
    """
    return Refine(compile_refinement(model, effort), effort)


def _block(images: UInt8[np.ndarray, "N H W C"], labels: Labels, start: int, size: int) -> Batch:
    """Return `size` images from `start` on; after the last image they are repeated from the first."""
    rows = np.arange(start, start + size) % len(images)
    return Batch(jnp.asarray(unit(images[rows])), None if labels is None else jnp.asarray(labels[rows]))
