"""Posteriors optimised for each image with a fixed decoder: the loss of the encoder, and the loss of the family.

log p(x) - elbo = (log p(x) - elbo of the best q of the family) + (that - elbo of the encoder's q): the approximation gap and
the amortisation gap (Cremer et al. 2018, eq. 4).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PRNGKeyArray, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.evaluation.estimators.diagnostics import log_mean
from vae_jax.evaluation.health.codes import Labels
from vae_jax.models import given, prepared, require_rate
from vae_jax.objectives.weights import weigh
from vae_jax.randomness import fold_range
from vae_jax.types import Batch, Model, Params, PerExample

IMAGES_OF_A_BLOCK = 250
PAIRS_OF_A_CALL = 1000
"""The number of pairs of image and sample that are decoded at once."""


class Effort(NamedTuple):
    """The effort of optimising posteriors and of measuring them."""

    steps: int = 300
    """The number of Adam steps; the step size falls to 0 as a cosine."""
    learning_rate: float = 0.05
    samples_of_a_step: int = 2
    starts: int = 2
    """The number of starts: the encoder's posterior of the image, and its posteriors of `starts - 1` other images."""
    samples_to_choose: int = 50
    """The number of samples of each candidate posterior, to choose an image's best."""
    samples: int = 500
    """The number of new samples, shared by the encoder's posterior and the best one."""


class Refined(NamedTuple):
    """B images under the encoder's posteriors and under the best ones found, nats."""

    elbo: Float[np.ndarray, " B"]
    """The elbo under the encoder's posterior, a mean over samples."""
    refined_elbo: Float[np.ndarray, " B"]
    """The elbo under the best posterior, with the same random numbers."""
    bounds: dict[str, Float[np.ndarray, " B"]]
    """Bounds on log p(x), `iwae_S`, from samples of the encoder's posteriors and of the best ones."""
    kl: Float[np.ndarray, " B"]
    refined_kl: Float[np.ndarray, " B"]
    """The KL(q || p) of the best posterior; `kl` is that of the encoder's."""

    @property
    def gain(self) -> Float[np.ndarray, " B"]:
        """The amortisation gap of each image, as far as the optimisation converged."""
        return self.refined_elbo - self.elbo


Refine = Callable[..., Refined]
"""(params, key, images u8[B,H,W,C], progress, labels=None) -> Refined; `progress`, if given, is called with the number of
finished images; a conditional model needs the images' labels."""


def make_refine(model: Model, effort: Effort = Effort()) -> Refine:  # noqa: B008 - immutable
    """Make a function that optimises the elbo of every image over its posterior, a pytree of any numbers.

    The decoder is fixed, and so are parts of z that follow from other parts, such as upper layers from a sampled lower one:
    their loss counts as the family's. The cost is steps x samples_of_a_step x starts decoder passes and derivatives per image.

    Args:
        model: a model with a prior.
        effort: see `Effort`.

    Raises:
        InputError: the model has no prior.
    """
    compiled = _compile(model, effort)

    def refine(
        params: Params,
        key: PRNGKeyArray,
        images: UInt8[np.ndarray, "B H W C"],
        progress: Callable[[int], None] = lambda done: None,
        labels: Labels = None,
    ) -> Refined:
        results, params = [], prepared(model, params)
        for start in range(0, len(images), IMAGES_OF_A_BLOCK):
            block = slice(start, start + IMAGES_OF_A_BLOCK)
            batch = Batch(jnp.asarray(unit(images[block])), None if labels is None else jnp.asarray(labels[block]))
            results.append(_refine_block(compiled, params, jax.random.fold_in(key, start), batch, effort))
            progress(start + len(batch.x))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *results)

    return refine


class _Compiled(NamedTuple):
    encode: Callable[..., Any]
    step: Callable[..., Any]
    """(params, batch, posterior, optimizer state, key) -> (posterior, optimizer state)."""
    init: Callable[..., Any]
    log_weights: Callable[..., Float[Array, "S B"]]
    kl: Callable[..., PerExample]


def _compile(family: Model, effort: Effort) -> _Compiled:
    optimizer = optax.adam(optax.cosine_decay_schedule(effort.learning_rate, effort.steps))
    require_rate(family)

    def encode(params: Params, batch: Batch) -> Any:
        return given(family, batch.labels).encode(params, batch.x)

    def elbo(params: Params, batch: Batch, posterior: Any, key: PRNGKeyArray) -> PerExample:
        model = given(family, batch.labels)
        _, rate = require_rate(model)
        draw = model.reparameterize(params, key, posterior)
        likelihood = model.log_likelihood(params, batch.x, model.decode(params, draw.z))
        return likelihood - rate.kl_terms(params, posterior, draw).sum(axis=1)

    def loss(posterior: Any, params: Params, batch: Batch, keys: Key[Array, " S"]) -> Float[Array, ""]:
        # A sum over images: each gets the gradient that it would have alone, and Adam treats every number separately.
        return -jax.vmap(partial(elbo, params, batch, posterior))(keys).mean(axis=0).sum()

    def step(params: Params, batch: Batch, posterior: Any, state: Any, key: PRNGKeyArray) -> tuple[Any, Any]:
        gradient = jax.grad(loss)(posterior, params, batch, jax.random.split(key, effort.samples_of_a_step))
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(posterior, updates), state

    def log_weights(params: Params, keys: Key[Array, " S"], batch: Batch, posterior: Any) -> Float[Array, "S B"]:
        model = given(family, batch.labels)
        return jax.vmap(lambda key: weigh(model, params, key, batch.x, posterior))(keys)

    def kl(params: Params, key: PRNGKeyArray, batch: Batch, posterior: Any) -> PerExample:
        model = given(family, batch.labels)
        _, rate = require_rate(model)
        return rate.kl_terms(params, posterior, model.reparameterize(params, key, posterior)).sum(axis=1)

    return _Compiled(jax.jit(encode), jax.jit(step), optimizer.init, jax.jit(log_weights), jax.jit(kl))


def _refine_block(compiled: _Compiled, params: Params, key: PRNGKeyArray, batch: Batch, effort: Effort) -> Refined:
    key_steps, key_choose, key_measure, key_starts = jax.random.split(key, 4)
    initial = compiled.encode(params, batch)
    candidates, scores = (
        [initial],
        [_weights(compiled, params, key_choose, batch, initial, effort.samples_to_choose).mean(axis=1)],
    )
    for i in range(effort.starts):
        order = (
            jax.random.permutation(jax.random.fold_in(key_starts, i), len(batch.x)) if i else jnp.arange(len(batch.x))
        )
        posterior = jax.tree.map(lambda leaf, order=order: leaf[order], initial)
        state = compiled.init(posterior)
        for key_step in jax.random.split(jax.random.fold_in(key_steps, i), effort.steps):
            posterior, state = compiled.step(params, batch, posterior, state, key_step)
        candidates.append(posterior)
        scores.append(_weights(compiled, params, key_choose, batch, posterior, effort.samples_to_choose).mean(axis=1))
    best = np.nan_to_num(np.stack(scores), nan=-np.inf).argmax(axis=0)
    chosen = jax.tree.map(lambda *leaves: jnp.stack(leaves)[best, np.arange(len(batch.x))], *candidates)
    log_weights = [_weights(compiled, params, key_measure, batch, q, effort.samples) for q in (initial, chosen)]
    name = f"iwae_{effort.samples}"
    bounds = {f"{name} of the encoder": log_mean(log_weights[0]), name: log_mean(log_weights[1])}
    kl, refined_kl = (np.asarray(compiled.kl(params, key_measure, batch, q), np.float64) for q in (initial, chosen))
    return Refined(log_weights[0].mean(axis=1), log_weights[1].mean(axis=1), bounds, kl, refined_kl)


def _weights(
    compiled: _Compiled, params: Params, key: PRNGKeyArray, batch: Batch, posterior: Any, num_samples: int
) -> Float[np.ndarray, "B S"]:
    """Return log weights of every image's samples; sample s has the key fold_in(key, s) for every posterior."""
    size = min(num_samples, max(1, PAIRS_OF_A_CALL // len(batch.x)))
    calls = [fold_range(key, start + jnp.arange(size)) for start in range(0, num_samples, size)]
    log_weights = [jax.device_get(compiled.log_weights(params, keys, batch, posterior)) for keys in calls]
    return np.concatenate(log_weights)[:num_samples].T.astype(np.float64)
