"""The optimisation of the posteriors of one block of images, with a fixed decoder."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int32, Key, PRNGKeyArray

from vae_jax.evaluation.estimators.diagnostics import log_mean
from vae_jax.evaluation.health.effort import Effort, Refined
from vae_jax.models import given, require_rate
from vae_jax.objectives.weights import weigh
from vae_jax.randomness import fold_range
from vae_jax.types import Batch, Model, Params, PerExample

STEPS_OF_A_CALL = 25
PAIRS_OF_A_CALL = 1000
"""The number of pairs of image and sample that are decoded at once."""
SHARE_OF_ALL_STARTS = 1 / 6
"""The share of the steps that all starts take; the best start of each image takes the others."""


class Compiled(NamedTuple):
    """The jitted parts of a refinement."""

    model: Model
    encode: Callable[..., Any]
    steps: Callable[..., Any]
    """(params, batch, posterior, optimizer state, key, first, last) -> (posterior, optimizer state)."""
    init: Callable[..., Any]
    log_weights: Callable[..., Float[Array, "S B"]]
    kl: Callable[..., PerExample]


def compile_refinement(family: Model, effort: Effort) -> Compiled:
    """Prepare the parts for a model; each is compiled at its first call.

    Raises:
        InputError: the model has no prior.
    """
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

    def steps(
        params: Params,
        batch: Batch,
        posterior: Any,
        state: Any,
        key: PRNGKeyArray,
        first: Int32[Array, ""],
        last: Int32[Array, ""],
    ) -> tuple[Any, Any]:
        def step(number: Int32[Array, ""], carry: tuple[Any, Any]) -> tuple[Any, Any]:
            posterior, state = carry
            keys = jax.random.split(jax.random.fold_in(key, number), effort.samples_of_a_step)
            gradient = jax.grad(loss)(posterior, params, batch, keys)
            updates, state = optimizer.update(gradient, state)
            return optax.apply_updates(posterior, updates), state

        return jax.lax.fori_loop(first, last, step, (posterior, state))

    def log_weights(params: Params, keys: Key[Array, " S"], batch: Batch, posterior: Any) -> Float[Array, "S B"]:
        model = given(family, batch.labels)
        return jax.vmap(lambda key: weigh(model, params, key, batch.x, posterior))(keys)

    def kl(params: Params, key: PRNGKeyArray, batch: Batch, posterior: Any) -> PerExample:
        model = given(family, batch.labels)
        _, rate = require_rate(model)
        return rate.kl_terms(params, posterior, model.reparameterize(params, key, posterior)).sum(axis=1)

    return Compiled(family, jax.jit(encode), jax.jit(steps), jax.jit(optimizer.init), jax.jit(log_weights), jax.jit(kl))


def num_scouting(effort: Effort) -> int:
    """Return the number of steps that all starts take."""
    return effort.steps if effort.starts == 1 else math.ceil(SHARE_OF_ALL_STARTS * effort.steps)


def _best(scores: list[Float[np.ndarray, " B"]], candidates: list[Any]) -> Any:
    """Return the rows of the candidate with the highest score; scalars, such as a number of steps, are those of the first."""
    best = np.nan_to_num(np.stack(scores), nan=-np.inf).argmax(axis=0)
    rows = np.arange(len(best))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves)[best, rows] if leaves[0].ndim else leaves[0], *candidates)


def refine_block(
    compiled: Compiled,
    params: Params,
    key: PRNGKeyArray,
    batch: Batch,
    effort: Effort,
    progress: Callable[[float], None],
) -> Refined:
    """Optimise the posteriors of a block of images; `progress` is called with the finished share of the work."""
    key_steps, key_choose, key_measure, key_starts = jax.random.split(key, 4)
    initial, scouting, done = compiled.encode(params, batch), num_scouting(effort), 0
    total = effort.starts * scouting + effort.steps - scouting

    def score(posterior: Any) -> Float[np.ndarray, " B"]:
        return _weights(compiled, params, key_choose, batch, posterior, effort.samples_to_choose).mean(axis=1)

    def optimised(moving: tuple[Any, Any], key: PRNGKeyArray, first: int, last: int) -> tuple[Any, Any]:
        nonlocal done
        for start in range(first, last, STEPS_OF_A_CALL):
            stop = min(last, start + STEPS_OF_A_CALL)
            moving = jax.block_until_ready(compiled.steps(params, batch, *moving, key, start, stop))
            progress(0.8 * (done := done + stop - start) / total)  # the measurement takes about a fifth
        return moving

    starts = []
    for i in range(effort.starts):
        order = jax.random.permutation(jax.random.fold_in(key_starts, i), len(batch.x)) if i else slice(None)
        posterior = jax.tree.map(lambda leaf, order=order: leaf[order], initial)
        starts.append(optimised((posterior, compiled.init(posterior)), jax.random.fold_in(key_steps, i), 0, scouting))
    leading = starts[0] if len(starts) == 1 else _best([score(posterior) for posterior, _ in starts], starts)
    final, _ = optimised(leading, jax.random.fold_in(key_steps, effort.starts), scouting, effort.steps)
    chosen = _best([score(initial), score(final)], [initial, final])
    log_weights = [_weights(compiled, params, key_measure, batch, q, effort.samples) for q in (initial, chosen)]
    name = f"iwae_{effort.samples}"
    bounds = {f"{name} of the encoder": log_mean(log_weights[0]), name: log_mean(log_weights[1])}
    kl, refined_kl = (np.asarray(compiled.kl(params, key_measure, batch, q), np.float64) for q in (initial, chosen))
    return Refined(log_weights[0].mean(axis=1), log_weights[1].mean(axis=1), bounds, kl, refined_kl)


def _weights(
    compiled: Compiled, params: Params, key: PRNGKeyArray, batch: Batch, posterior: Any, num_samples: int
) -> Float[np.ndarray, "B S"]:
    """Return log weights of every image's samples; sample s has the key fold_in(key, s) for every posterior."""
    size = min(num_samples, max(1, PAIRS_OF_A_CALL // len(batch.x)))
    calls = [fold_range(key, start + jnp.arange(size)) for start in range(0, num_samples, size)]
    log_weights = [jax.device_get(compiled.log_weights(params, keys, batch, posterior)) for keys in calls]
    return np.concatenate(log_weights)[:num_samples].T.astype(np.float64)
