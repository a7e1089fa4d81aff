"""Step sizes for annealed importance sampling, tuned on images other than those to estimate."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Key, PRNGKeyArray

from vae_jax.evaluation.estimators.annealing import as_pixels, begin, beta_schedule, chain_keys, fold_each
from vae_jax.evaluation.estimators.hmc import Scalar, State, transition
from vae_jax.evaluation.estimators.whole_split import Classes, Pixels
from vae_jax.models import require_rate
from vae_jax.randomness import fold_range
from vae_jax.types import Images, Model, Params

ACCEPTANCE, ROUNDS, LEAPFROG = 0.65, 3, 10
"""With more ROUNDS, sizes follow faster changes between temperatures. LEAPFROG is the usual number of steps in a transition."""
FIRST_SIZE, WARM_UP, GAIN = 0.5, 50, 0.2
"""Tuning starts with this step size and WARM_UP transitions at the first temperature. A transition changes the log step size by
GAIN times the difference between its acceptance and the desired one."""


def tune_step_sizes(
    model: Model,
    params: Params,
    key: PRNGKeyArray,
    images: Pixels,
    num_temperatures: int,
    num_chains: int = 16,
    labels: Classes = None,
    num_leapfrog: int = LEAPFROG,
) -> Float32[np.ndarray, " T"]:
    """Return a step size per temperature with which chains for these images have the acceptance ACCEPTANCE.

    Sizes are adapted while the chains are annealed, with ROUNDS transitions per temperature, to the mean over all images
    and chains. Do not estimate the same images: weights are wrong if step sizes depend on the chains' states, and right with
    any fixed sizes. All images and chains are in memory at once; a few dozen images are enough.

    Args:
        model: a model with a prior.
        params: its parameters.
        key: the key for all draws.
        images: images of the same kind as those to estimate.
        num_temperatures: T.
        num_chains: the number of chains per image.
        labels: the classes of the images, for a conditional model.
        num_leapfrog: the number of steps in a transition.

    Raises:
        InputError: the model has no prior.
    """
    require_rate(model)
    betas = np.repeat(beta_schedule(num_temperatures)[1:], ROUNDS)
    betas = np.concatenate([np.full(WARM_UP, betas[0]), betas]).astype(np.float32)

    @jax.jit
    def tune(params: Params, keys: Key[Array, " B"], x: Images, labels: Classes) -> Float[Array, " n"]:
        chains = chain_keys(keys, num_chains)
        target, state = begin(model, params, chains, x, None, labels)

        def step(carry: tuple[State, Scalar], at: tuple[Array, Scalar]) -> tuple[tuple[State, Scalar], Scalar]:
            (state, size), (number, beta) = carry, at
            state, accepted = transition(target, fold_each(chains, number), state, beta, size, num_leapfrog)
            return (state, size * jnp.exp(GAIN * (accepted.mean() - ACCEPTANCE))), size

        numbered = (jnp.arange(1, len(betas) + 1), jnp.asarray(betas))
        return jax.lax.scan(step, (state, jnp.float32(FIRST_SIZE)), numbered)[1]

    keys = fold_range(key, jnp.arange(len(images)))
    sizes = jax.device_get(tune(params, keys, as_pixels(images), labels))
    return sizes[WARM_UP + ROUNDS - 1 :: ROUNDS]
