"""The pure steps that advance a run's state."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Sharding
from jaxtyping import Array, Float, Int32, PRNGKeyArray, Shaped

from vae_jax.config import flatten
from vae_jax.config.table import KEYS
from vae_jax.data.preprocess import Preprocess
from vae_jax.models import OBJECTIVE, given
from vae_jax.system import devices
from vae_jax.types import Batch, Config, Context, Hparams, Images, Model, Objective, Params, Sample, TrainState

Metrics = dict[str, Float[Array, ""]]
Step = Callable[..., tuple[TrainState, Metrics]]
"""(state, x[B,H,W,C], key, hparams, labels[B] or None) -> (state, metrics)."""
HPARAMS = tuple(key.name for key in KEYS if key.hparam)
"""The config keys whose numbers are arguments of the compiled program: runs that differ only in them can be trained as one."""


REFIT = 0x5EF17
"""The number that a step's key is folded with for what a rule sets."""
OWN = 0x0B1EC7
"""The number that the key of the initial parameters is folded with for those of the objective."""


def make_init(
    model: Model, objective: Objective, optimizer: optax.GradientTransformation
) -> Callable[[PRNGKeyArray, Sample], TrainState]:
    """Make a function (key, sample) -> the initial state, whose params hold those of the objective, if it has any."""

    def init(key: PRNGKeyArray, sample: Sample) -> TrainState:
        params = model.init(key, sample)
        if objective.init is not None:
            params = params | {OBJECTIVE: objective.init(jax.random.fold_in(key, OWN), model, params)}
        return init_state(params, optimizer)

    return init


def init_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """Return the state before the first step, for initial params."""
    return TrainState(jnp.int32(0), params, optimizer.init(params))


def make_hparams(config: Config, sharding: Sharding | None = None) -> Hparams:
    """Return the numbers of a run that are arguments of its compiled program, on the devices of `sharding`."""
    flat = flatten(config)
    return {name: devices.put(np.asarray(flat[name], np.float32), sharding) for name in HPARAMS}


@jax.jit
def copy_state(state: TrainState) -> TrainState:
    """Return a copy of the state in its own buffers, since a training call donates those it is given."""
    return jax.tree.map(jnp.copy, state)


def make_train_step(
    model: Model,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
    accumulate_steps: int = 1,
) -> Step:
    """Make a step (state, x[B,H,W,C], key, hparams, labels=None) -> (state, metrics) on a batch's mean loss, pure, not jitted.

    A conditional model needs the labels, i32[B]. The noise of a step comes from fold_in(key, state.step), so `key` is the same
    at every step. Metrics are means over the batch, nats per image.

    Args:
        model: the model to train; its `refit` sets some of the parameters in the optimizer's place.
        objective: its "loss" is minimised, and its "critic_loss" if it has one: each is blind to the other's parameters.
        optimizer: for a learning rate of 1; its updates are multiplied by hparams["learning_rate"], and those of a critic by
            the hparam that the objective names.
        axis_name: the axis of `jax.pmap` or `jax.shard_map` that the step runs under, each device on its part of the batch.
            The key is then folded with the axis index too, and gradients and metrics are averaged over the axis.
        accumulate_steps: the batch is split into this many parts, computed in turn, and their gradients are averaged; memory is
            that of one part. Each part draws its own noise, and an objective that couples examples couples them within a
            part only.
    """

    def step(
        state: TrainState, x: Images, key: PRNGKeyArray, hparams: Hparams, labels: Int32[Array, " B"] | None = None
    ) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(key, state.step)
        key_refit = jax.random.fold_in(key, REFIT)  # the same on every device
        key = key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        context = Context(state.step, hparams, True, axis_name)

        def mean_loss(params: Params, batch: Batch, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
            terms = objective.terms(given(model, batch.labels), params, key, batch, context)
            metrics = {name: values.mean() for name, values in terms.items()}
            both = metrics["loss"] + metrics["critic_loss"] if "critic_loss" in metrics else metrics["loss"]
            return both, metrics

        gradients = partial(jax.grad(mean_loss, has_aux=True), state.params)
        if accumulate_steps == 1:
            grads, metrics = gradients(Batch(x, labels), key)
        else:
            grads, metrics = _mean_of_parts(gradients, Batch(x, labels), key, accumulate_steps)
        if axis_name is not None:
            grads, metrics = jax.lax.pmean((grads, metrics), axis_name)
        refitted = {}
        if model.refit is not None:
            refitted = model.refit(key_refit, state.params, grads, state.step)
            # Zeros, not removed: the optimizer's state has the tree of all params. clip_norm does not count them then.
            grads = grads | jax.tree.map(jnp.zeros_like, refitted)
        # adamw's weight decay is part of the updates, so it is scaled by the learning rate too.
        updates: Any
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        scaled = jax.tree.map(lambda u: hparams["learning_rate"] * u, updates)
        if (rate := objective.critic_rate) is not None:
            scaled = scaled | {OBJECTIVE: jax.tree.map(lambda u: hparams[rate] * u, updates[OBJECTIVE])}
        params = cast(Params, optax.apply_updates(state.params, scaled)) | refitted
        return TrainState(state.step + 1, params, opt_state), metrics

    return step


def _mean_of_parts(gradients: Callable[..., Any], batch: Batch, key: PRNGKeyArray, count: int) -> Any:
    """Return the mean of gradients(part of batch, its key) over `count` equal parts, with one part in memory at a time."""
    # Part i holds the rows i, i + count, ...: a batch that is spread over devices stays where it is.
    parts = jax.tree.map(lambda rows: jnp.moveaxis(rows.reshape(-1, count, *rows.shape[1:]), 1, 0), batch)
    keys = jax.random.split(key, count)
    shapes = jax.eval_shape(gradients, jax.tree.map(lambda rows: rows[0], parts), keys[0])
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def add(total: Any, part: tuple[Batch, PRNGKeyArray]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradients(*part)), None

    total, _ = jax.lax.scan(add, zeros, (parts, keys))
    return jax.tree.map(lambda leaf: leaf / count, total)


def make_train_chunk(step: Step, preprocess: Preprocess) -> Callable[..., tuple[TrainState, Metrics]]:
    """Make a function (state, images u8[N,H,W,C], order i32[T,B], key, hparams) -> (state, metrics f32[T]), pure: T steps.

    Row t of `order` picks the images of step t. With streaming, images are picked already, u8[T,B,H,W,C], and order is None.
    For a conditional model a last argument has the picked images' labels, i32[T,B].
    """

    def chunk(
        state: TrainState,
        images: Shaped[Array, "..."],
        order: Int32[Array, "T B"] | None,
        key: PRNGKeyArray,
        hparams: Hparams,
        labels: Int32[Array, "T B"] | None = None,
    ) -> tuple[TrainState, dict[str, Float[Array, " T"]]]:
        key_pixels, key_step = jax.random.split(key)

        def body(state: TrainState, at: tuple[Array, Array | None]) -> tuple[TrainState, Metrics]:
            picked, classes = at
            batch = picked if order is None else images[picked]
            x = preprocess(jax.random.fold_in(key_pixels, state.step), batch)
            return step(state, x, key_step, hparams, *(() if classes is None else (classes,)))

        steps = (images if order is None else order), labels
        if len(steps[0]) == 1:
            # Not a loop of one: XLA's CPU backend runs convolutions inside loops 10 times slower.
            state, metrics = body(state, jax.tree.map(lambda rows: rows[0], steps))
            return state, {name: value[None] for name, value in metrics.items()}
        return jax.lax.scan(body, state, steps)

    return chunk
