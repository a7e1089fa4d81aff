"""Chains that go from the prior to the posterior or back, through p(z) p(x|z)^beta.

Axes: P chains (B images times S chains of each), T temperatures.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, Key, PRNGKeyArray

from vae_jax.data.preprocess import unit_interval
from vae_jax.evaluation.estimators.hmc import PerChain, Scalar, State, Target, make_target, state_at, transition
from vae_jax.evaluation.estimators.whole_split import MEMORY_BYTES, Pixels
from vae_jax.models import require_prior
from vae_jax.objectives.weights import repeat_rows
from vae_jax.randomness import fold_range
from vae_jax.types import Images, Model, Params

SIGMOID_REACH = 4.0
"""The schedule is a sigmoid's piece from -4 to 4: most temperatures are near the prior and near the posterior."""
CACHE_BYTES = 2**20
"""Of the decoder's outputs in a call on a CPU: less than `split` takes, since derivatives keep what the layers gave."""


class Path(NamedTuple):
    """Transitions in the order in which chains make them: arrays [T], scalars within a scan."""

    number: Int32[Array, " T"]
    """The number of the transition, 1 to T from the prior to the posterior; its draws depend on it."""
    beta: Float32[Array, " T"]
    step_size: Float32[Array, " T"]
    before: Float32[Array, " T"]
    """Times log p(x|z) of the state before the transition is what it adds to the log weight."""
    after: Float32[Array, " T"]
    """The same of the state after it."""


class Sum(NamedTuple):
    """A sum of thousands of terms and what rounding has added to it (Kahan): it else costs a log p(x|z) of -12,000 0.02 nats."""

    value: PerChain
    surplus: PerChain

    def add(self, term: PerChain) -> "Sum":
        """Return the sum with another term."""
        term = term - self.surplus
        value = self.value + term
        # A weight that has become 0 stays so.
        return Sum(value, jnp.where(jnp.isneginf(value), 0, (value - self.value) - term))


def beta_schedule(num_temperatures: int) -> Float[np.ndarray, " betas"]:
    """beta_0 = 0 to beta_T = 1, T + 1 numbers: a sigmoid on even points, rescaled (Wu et al. 2017; Grosse et al. 2015)."""
    curve = 1 / (1 + np.exp(-np.linspace(-SIGMOID_REACH, SIGMOID_REACH, num_temperatures + 1)))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def forward_path(step_sizes: Float[np.ndarray, " T"]) -> Path:
    """Prior to posterior: log w = sum_t (beta_t - beta_{t-1}) log p(x|z_{t-1}), transition t making z_t of z_{t-1} (Neal 2001).

    The last transition changes no weight; it is the first of the reversed chain.
    """
    betas = beta_schedule(len(step_sizes))
    gains = jnp.asarray(np.diff(betas), jnp.float32)
    numbers, sizes = jnp.arange(1, len(betas), dtype=jnp.int32), jnp.asarray(step_sizes, jnp.float32)
    return Path(numbers, jnp.asarray(betas[1:], jnp.float32), sizes, before=gains, after=jnp.zeros_like(gains))


def reverse_path(step_sizes: Float[np.ndarray, " T"]) -> Path:
    """The same chain backwards in time, posterior to prior: transition t makes z_{t-1} of z_t, whose part of log w follows."""
    number, beta, sizes, before, after = (column[::-1] for column in forward_path(step_sizes))
    return Path(number, beta, sizes, before=after, after=before)


def chain_keys(keys: Key[Array, " B"], num_chains: int) -> Key[Array, " P"]:
    """fold_in(key, c) of every image's key and chain c, image after image. Transition t has fold_in of that and t >= 1."""
    return jax.vmap(lambda key: fold_range(key, jnp.arange(num_chains)))(keys).reshape(-1)


def start_chains(model: Model, params: Params, chains: Key[Array, " P"]) -> Any:
    """Draw from the prior for every chain, from fold_in(its key, 0), leaves [P, ...]."""
    assert model.sample_prior is not None
    sample_prior = model.sample_prior

    def draw(key: PRNGKeyArray) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], sample_prior(params, jax.random.fold_in(key, 0), 1))

    return jax.vmap(draw)(chains)


def make_anneal(model: Model, num_chains: int, num_leapfrog: int) -> Callable[..., tuple[Array, Array]]:
    """Make a function (params, keys [B], x [B,H,W,C], z, path, share [B]) -> (log weights [B, S], acceptance [T]).

    z is where the chains of every image start, leaves [B, ...], or None for draws of the prior; share weighs the images in the
    mean acceptance, and sums to 1.

    Raises:
        InputError: the model has no prior.
    """
    require_prior(model)

    @jax.jit
    def anneal(
        params: Params, keys: Key[Array, " B"], x: Images, z: Any, path: Path, share: Float[Array, " B"]
    ) -> tuple[Float[Array, "B S"], Float[Array, " T"]]:
        chains = chain_keys(keys, num_chains)
        share = jnp.repeat(share / num_chains, num_chains)
        if z is not None:
            z = repeat_rows(z, num_chains)
        target, state = begin(model, params, chains, x, z)

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
    """Return the number of images per call: near num_bytes of outputs, and nearly equal for all calls."""
    if num_bytes is None:
        num_bytes = CACHE_BYTES if jax.default_backend() == "cpu" else MEMORY_BYTES
    key = jax.eval_shape(lambda: jax.random.key(0)[None])
    outputs = jax.eval_shape(lambda params, key: model.decode(params, start_chains(model, params, key)), params, key)
    pairs = max(1, num_bytes // (outputs.size * outputs.dtype.itemsize))
    calls = -(-len(images) // max(1, pairs // num_chains))
    return -(-len(images) // calls)


def as_pixels(images: Pixels) -> Float32[np.ndarray, "N H W C"]:
    """Return the images as float32 x in [0, 1]."""
    x = np.asarray(images)
    return unit_interval(x) if x.dtype == np.uint8 else x.astype(np.float32)


def begin(model: Model, params: Params, chains: Key[Array, " P"], x: Images, z: Any) -> tuple[Target, State]:
    """Return the target of chains with images x [B,H,W,C], P / B chains per image, and their first state."""
    x = repeat_rows(x, len(chains) // len(x))
    target, rows = make_target(model, params, x, start_chains(model, params, chains) if z is None else z)
    return target, state_at(target, rows)


def fold_each(keys: Key[Array, " P"], number: Int32[Array, ""]) -> Key[Array, " P"]:
    """Return fold_in(key, number) for each key."""
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
