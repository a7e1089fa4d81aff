"""Chains from the prior to the posterior or back, through p(z) p(x|z)^beta.

Axes: P chains (B images times S chains of each), T temperatures.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, Key, PRNGKeyArray

from vae_jax.data.preprocess import unit
from vae_jax.evaluation.estimators.hmc import PerChain, Scalar, State, Target, make_target, state_at, transition
from vae_jax.evaluation.estimators.whole_split import MEMORY_BYTES, Classes, Pixels
from vae_jax.models import given, require_euclidean, require_prior, require_rate
from vae_jax.objectives.weights import repeat_rows
from vae_jax.randomness import fold_range
from vae_jax.types import Images, Model, Params

SIGMOID_REACH = 4.0
"""The schedule is a sigmoid from -4 to 4: most temperatures are near the prior and near the posterior."""
CACHE_BYTES = 2**20
"""The size of the decoder outputs of a call on a CPU; less than in `whole_split`, because derivatives keep all layers."""


class Path(NamedTuple):
    """The transitions of a chain, in order: arrays [T], scalars within a scan."""

    number: Int32[Array, " T"]
    """The transition's number, 1 to T from the prior to the posterior; its draws depend on it."""
    beta: Float32[Array, " T"]
    step_size: Float32[Array, " T"]
    before: Float32[Array, " T"]
    """The factor of log p(x|z) of the state before the transition, in what is added to the log weight."""
    after: Float32[Array, " T"]
    """The same for the state after it."""


class Sum(NamedTuple):
    """A sum of thousands of terms, compensated (Kahan): otherwise rounding costs 0.02 nats for a log p(x|z) of -12,000."""

    value: PerChain
    surplus: PerChain

    def add(self, term: PerChain) -> "Sum":
        """Return the sum with another term."""
        term = term - self.surplus
        value = self.value + term
        # A weight that is 0 stays 0.
        return Sum(value, jnp.where(jnp.isneginf(value), 0, (value - self.value) - term))


def beta_schedule(num_temperatures: int) -> Float[np.ndarray, " betas"]:
    """Return beta_0 = 0 to beta_T = 1: a sigmoid at even points, rescaled (Wu et al. 2017; Grosse et al. 2015)."""
    curve = 1 / (1 + np.exp(-np.linspace(-SIGMOID_REACH, SIGMOID_REACH, num_temperatures + 1)))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def forward_path(step_sizes: Float[np.ndarray, " T"]) -> Path:
    """Return the path from prior to posterior (Neal 2001).

    log w = sum_t (beta_t - beta_{t-1}) log p(x|z_{t-1}), and transition t draws z_t given z_{t-1}. The last transition
    changes no weight; it is the first of the reversed chain.
    """
    betas = beta_schedule(len(step_sizes))
    gains = jnp.asarray(np.diff(betas), jnp.float32)
    numbers, sizes = jnp.arange(1, len(betas), dtype=jnp.int32), jnp.asarray(step_sizes, jnp.float32)
    return Path(numbers, jnp.asarray(betas[1:], jnp.float32), sizes, before=gains, after=jnp.zeros_like(gains))


def reverse_path(step_sizes: Float[np.ndarray, " T"]) -> Path:
    """Return the reversed path, from posterior to prior: transition t draws z_{t-1} given z_t, then log w is updated."""
    number, beta, sizes, before, after = (column[::-1] for column in forward_path(step_sizes))
    return Path(number, beta, sizes, before=after, after=before)


def chain_keys(keys: Key[Array, " B"], num_chains: int) -> Key[Array, " P"]:
    """Return fold_in(key, c) for every image's key and chain c, image by image; transition t >= 1 folds in t once more."""
    return jax.vmap(lambda key: fold_range(key, jnp.arange(num_chains)))(keys).reshape(-1)


def start_chains(model: Model, params: Params, chains: Key[Array, " P"]) -> Any:
    """Draw z from the prior for every chain, with fold_in(its key, 0); leaves [P, ...]."""
    sample_prior = require_prior(model).sample

    def draw(key: PRNGKeyArray) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], sample_prior(params, jax.random.fold_in(key, 0), 1))

    return jax.vmap(draw)(chains)


def make_anneal(model: Model, num_chains: int, num_leapfrog: int) -> Callable[..., tuple[Array, Array]]:
    """Make a function (params, keys [B], x [B,H,W,C], z, path, share [B], labels) -> (log weights [B, S], acceptance [T]).

    The chains of an image start at its z, leaves [B, ...], or at draws from the prior if z is None. `share` weighs the images
    in the mean acceptance, and sums to 1.

    Raises:
        InputError: the model has no prior.
    """
    require_rate(model)
    require_euclidean(model, "and annealed importance sampling needs gradients for z")

    @jax.jit
    def anneal(
        params: Params,
        keys: Key[Array, " B"],
        x: Images,
        z: Any,
        path: Path,
        share: Float[Array, " B"],
        labels: Classes,
    ) -> tuple[Float[Array, "B S"], Float[Array, " T"]]:
        chains = chain_keys(keys, num_chains)
        share = jnp.repeat(share / num_chains, num_chains)
        if z is not None:
            z = repeat_rows(z, num_chains)
        target, state = begin(model, params, chains, x, z, labels)

        def step(carry: tuple[State, Sum], at: Path) -> tuple[tuple[State, Sum], Scalar]:
            state, total = carry
            total = total.add(at.before * state.log_likelihood)
            drawn = fold_each(chains, at.number)
            state, acceptance = transition(target, drawn, state, at.beta, at.step_size, num_leapfrog)
            return (state, total.add(at.after * state.log_likelihood)), acceptance @ share

        nothing = jnp.zeros_like(state.log_likelihood)
        (_, total), acceptance = jax.lax.scan(step, (state, Sum(nothing, nothing)), path)
        return total.value.reshape(len(keys), num_chains), acceptance

    return anneal


def images_of_a_call(model: Model, params: Params, images: Pixels, num_chains: int, num_bytes: int | None) -> int:
    """Return the number of images per call: near num_bytes of outputs, the same in all calls."""
    if num_bytes is None:
        num_bytes = CACHE_BYTES if jax.default_backend() == "cpu" else MEMORY_BYTES
    key = jax.eval_shape(lambda: jax.random.key(0)[None])

    def decoded(params: Params, key: Key[Array, " P"]) -> Any:
        of_image = given(model, jnp.zeros(1, jnp.int32))
        return of_image.decode(params, start_chains(of_image, params, key))

    outputs = jax.eval_shape(decoded, params, key)
    pairs = max(1, num_bytes // (outputs.size * outputs.dtype.itemsize))
    calls = -(-len(images) // max(1, pairs // num_chains))
    return -(-len(images) // calls)


def as_pixels(images: Pixels) -> Float32[np.ndarray, "N H W C"]:
    """Return x in [0, 1], float32, of images u8 or x itself."""
    return np.asarray(unit(np.asarray(images)), np.float32)


def begin(
    model: Model, params: Params, chains: Key[Array, " P"], x: Images, z: Any, labels: Classes
) -> tuple[Target, State]:
    """Return the target of chains for the images x [B,H,W,C], P / B chains each, and the state at their start."""
    x, labels = repeat_rows((x, labels), len(chains) // len(x))
    model = given(model, labels)
    target, rows = make_target(model, params, x, start_chains(model, params, chains) if z is None else z)
    return target, state_at(target, rows)


def fold_each(keys: Key[Array, " P"], number: Int32[Array, ""]) -> Key[Array, " P"]:
    """Return fold_in(key, number) for each key."""
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
