"""All that is random in a run is a pure function of its seed, and nothing of it is in a checkpoint."""

import jax
import numpy as np
from jaxtyping import Int32, PRNGKeyArray


def keys_of(seed: int) -> tuple[PRNGKeyArray, PRNGKeyArray, PRNGKeyArray]:
    """The keys of a run: of its initial parameters, of its training steps, of its evaluation."""
    key_init, key_train, key_eval = jax.random.split(jax.random.key(seed), 3)
    return key_init, key_train, key_eval


def epoch_order(seed: int, epoch: int, num_images: int, batch_size: int) -> Int32[np.ndarray, "T B"]:
    """The images of each step of an epoch: a permutation, its last partial batch dropped; a pure function."""
    order = np.random.default_rng([seed, epoch]).permutation(num_images).astype(np.int32)
    steps = num_images // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)
