"""The compiled functions of a population: the functions of a single run, mapped over a leading axis P of runs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Int32, Key, PRNGKeyArray, Shaped

from vae_jax.config import flatten, nest
from vae_jax.evaluation.evaluate import Evaluate, batches_per_call, make_evaluate
from vae_jax.system.devices import Layout
from vae_jax.training.prepare import Training
from vae_jax.training.step import copy_state
from vae_jax.types import Hparams, TrainState


class Program(NamedTuple):
    """The functions that P runs compute with, all at once."""

    chunk: Callable[..., tuple[TrainState, dict[str, Array]]]
    """(state [P, ...], images, rows, keys [P], hparams [P], labels) -> (state, metrics f32[P,T]); a Feed makes images, rows and
    labels from rows [P*T, B]: the T steps of the first run, then of the second. The state is donated."""
    evaluate: Evaluate
    """(state [P, ...], keys [P], split, hparams [P]) -> PerImage with terms [P,N] and means [P,N,Z]."""
    stack: Callable[[Sequence[TrainState]], TrainState]
    """(the states of P runs) -> one state of arrays [P, ...]."""
    take: Callable[[TrainState, int], TrainState]
    """(state [P, ...], i) -> the state of run i."""
    stack_keys: Callable[[Sequence[PRNGKeyArray]], Key[Array, " P"]]
    stack_hparams: Callable[[Sequence[Hparams]], Hparams]
    """(the hparams of P runs) -> those hparams, each an array [P]."""
    most_steps: int
    """The most steps of one call."""


def spreads(count: int) -> bool:
    """Return True if `count` runs are spread over the devices; else each device holds all runs and a share of each batch."""
    return count % jax.device_count() == 0


def make_program(run: Training, count: int) -> Program:
    """Make the program of `count` runs that differ from `run` only in their seed and HPARAMS.

    If the number of devices divides the number of runs, each device trains its share of the runs without communication.
    Otherwise every step's batch is spread over the devices, like the batch of a single run.
    """
    replicated = run.layout.replicated
    members = NamedSharding(replicated.mesh, PartitionSpec("batch")) if spreads(count) else replicated
    spec = PartitionSpec("batch") if spreads(count) else PartitionSpec(None, None, "batch")
    chunk = _make_chunk(run, count, NamedSharding(replicated.mesh, spec))
    index = jax.lax.dynamic_index_in_dim

    def stack(trees: Sequence[Any]) -> Any:
        # On the host: nothing is compiled, and the device never holds two copies.
        return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *map(jax.device_get, trees)), members)

    return Program(
        chunk=jax.jit(chunk, donate_argnums=0, out_shardings=(members, None)),
        evaluate=_make_evaluate(run, count, run.layout._replace(order=replicated) if spreads(count) else run.layout),
        stack=lambda states: copy_state(stack(states)),
        take=jax.jit(
            lambda state, i: jax.tree.map(lambda a: index(a, i, keepdims=False), state), out_shardings=replicated
        ),
        stack_keys=lambda given: jax.device_put(jnp.stack(given), members),
        stack_hparams=stack,
        most_steps=max(1, min(run.steps_per_dispatch, run.feed.most_steps // count)),
    )


def _make_chunk(run: Training, count: int, sharding: NamedSharding) -> Callable[..., Any]:
    def of_each(values: Array) -> Array:
        """[P*T, B, ...] -> [P, T, B, ...]."""
        return jax.lax.with_sharding_constraint(values.reshape(count, -1, *values.shape[1:]), sharding)

    def chunk(
        state: TrainState,
        images: Shaped[Array, "..."],
        rows: Int32[Array, "PT B"] | None,
        key: Key[Array, " P"],
        hparams: Hparams,
        labels: Int32[Array, "PT B"] | None,
    ) -> tuple[TrainState, dict[str, Array]]:
        rest = key, hparams, None if labels is None else of_each(labels)
        if rows is None:
            return jax.vmap(run.pure_chunk, in_axes=(0, 0, None, 0, 0, 0))(state, of_each(images), None, *rest)
        return jax.vmap(run.pure_chunk, in_axes=(0, None, 0, 0, 0, 0))(state, images, of_each(rows), *rest)

    return chunk


def _make_evaluate(run: Training, count: int, layout: Layout) -> Evaluate:
    """Make an evaluation in smaller batches than a single run's, but not below those of training, which fit in memory.

    The results of an image do not depend on its batch.
    """
    config = run.config
    size = min(config.eval.batch_size, max(config.batch_size, -(-config.eval.batch_size // count)))
    smaller = nest(flatten(config) | {"eval.batch_size": size})
    calls = batches_per_call(smaller, run.dataset)
    return make_evaluate(smaller, run.model, run.objective, layout, calls, population=True)
