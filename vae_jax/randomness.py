"""The randomness of a run: pure functions of its seed, so no checkpoint holds any random state."""

import jax
import numpy as np
from jaxtyping import Array, Int32, Key, PRNGKeyArray


def keys_of(seed: int) -> tuple[PRNGKeyArray, PRNGKeyArray, PRNGKeyArray]:
    """Return the keys of a run: for its initial parameters, its training steps and its evaluation."""
    key_init, key_train, key_eval = jax.random.split(jax.random.key(seed), 3)
    return key_init, key_train, key_eval


def fold_range(key: PRNGKeyArray, numbers: Int32[Array, " n"]) -> Key[Array, " n"]:
    """Return fold_in(key, number) for each number."""
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def epoch_order(seed: int, epoch: int, num_images: int, batch_size: int) -> Int32[np.ndarray, "T B"]:
    """Return the image indices of each step of an epoch: a permutation, without its last partial batch."""
    order = np.random.default_rng([seed, epoch]).permutation(num_images).astype(np.int32)
    steps = num_images // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)
