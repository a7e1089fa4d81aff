"""The first program of a training, compiled in the background, and its need of memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from vae_jax.system import memory
from vae_jax.system.compilation import compile_ahead
from vae_jax.training.feed import Feed
from vae_jax.types import Config, TrainState


def compile_chunk_ahead(
    config: Config, chunk: Any, state: TrainState, feed: Feed, steps: int, *rest: Any
) -> tuple[Callable[..., Any], Callable[[], object]]:
    """Compile the chunk in the background, and raise InputError if it does not fit into memory; see `compile_ahead`."""

    def arguments(batch_size: int) -> tuple[Any, ...]:
        return state, *feed.shapes(steps, batch_size), *rest, feed.label_shapes(steps, batch_size)

    check = partial(
        memory.assert_fits,
        config=config,
        compile_for=lambda batch_size: chunk.lower(*arguments(batch_size)).compile(),
        least=jax.device_count() * config.accumulate_steps,
    )
    return compile_ahead(chunk, *arguments(config.batch_size), check=check)
