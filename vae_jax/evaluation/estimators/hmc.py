"""Hamiltonian Monte Carlo (Neal 2011) of many chains at once, each with an image of its own, on log p(z) + beta log p(x|z).

Almost all of the time goes into the decoder and its derivative. Both parts of the target are kept with every state, so a
transition of L leapfrog steps costs L derivatives, also where beta has changed since the last one, and the likelihood's value
is computed only at a trajectory's end.

Axes: P chains (images times chains of each), D numbers of a z.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int32, Key

from vae_jax.models import require_prior
from vae_jax.types import Images, Model, Params

Z = Float[Array, "P D"]
PerChain = Float[Array, " P"]
Scalar = Float[Array, ""]
JITTER = 0.1
"""Deviation of the logarithm of a trajectory's step size. Ten steps of one size can be a whole period of all directions at once,
near the prior above all, where these are alike: the chain would be back where it was (Neal 2011, section 5.4.2.2)."""


class Target(NamedTuple):
    """The two parts of log p(z) + beta log p(x|z), nats; row p of the result depends on row p of z alone."""

    log_prior: Callable[[Z], PerChain]
    log_likelihood: Callable[[Z], PerChain]


class State(NamedTuple):
    """Where the chains are, and what is known there."""

    z: Z
    log_prior: PerChain
    prior_slope: Z
    """Derivative of log_prior for z."""
    log_likelihood: PerChain
    likelihood_slope: Z

    def tempered(self, beta: Scalar) -> PerChain:
        """log p(z) + beta log p(x|z)."""
        return self.log_prior + beta * self.log_likelihood

    def slope(self, beta: Scalar) -> Z:
        """The derivative of `tempered` for z."""
        return self.prior_slope + beta * self.likelihood_slope


def make_target(model: Model, params: Params, x: Images, z: Any) -> tuple[Target, Z]:
    """The target of chains with the images x [P, H, W, C], and z, a pytree of leaves [P, ...], as rows of numbers.

    Raises:
        InputError: the model has no prior.
    """
    log_prior, _ = require_prior(model)
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], z))

    def prior(rows: Z) -> PerChain:
        return log_prior(params, jax.vmap(unravel)(rows))

    def likelihood(rows: Z) -> PerChain:
        return model.log_likelihood(params, x, model.decode(params, jax.vmap(unravel)(rows)))

    return Target(prior, likelihood), jax.vmap(lambda row: ravel_pytree(row)[0])(z)


def evaluate(target: Target, z: Z) -> State:
    """The state at z."""
    log_prior, prior_vjp = jax.vjp(target.log_prior, z)
    log_likelihood, likelihood_vjp = jax.vjp(target.log_likelihood, z)
    (prior_slope,), (likelihood_slope,) = prior_vjp(ones := jnp.ones_like(log_prior)), likelihood_vjp(ones)
    return State(z, log_prior, prior_slope, log_likelihood, likelihood_slope)


def transition(
    target: Target, keys: Key[Array, " P"], state: State, beta: Scalar, step_size: Scalar, num_leapfrog: int
) -> tuple[State, PerChain]:
    """(next state, probability of acceptance [P]): one trajectory with fresh momentum from N(0, I), accepted or rejected.

    It leaves p(z) p(x|z)^beta invariant and is reversible: it is its own reversal in time.

    Args:
        target: of the chains.
        keys: one a chain, not used elsewhere.
        state: of the chains.
        beta: inverse temperature, 0 to 1.
        step_size: of a leapfrog step, before JITTER; it may not depend on the chains' states.
        num_leapfrog: steps of the trajectory.
    """
    # One draw for all that is random: three streams would take longer to compile than the rest of the transition.
    size = state.z.shape[1]
    draws = jax.vmap(lambda key: jax.random.normal(key, (size + 3,), state.z.dtype))(keys)
    momentum, jitter, pair = jnp.split(draws, (size, size + 1), axis=1)
    proposed, last = leapfrog(target, state, momentum, beta, step_size * jnp.exp(JITTER * jitter), num_leapfrog)
    log_ratio = proposed.tempered(beta) - state.tempered(beta) + _kinetic(momentum) - _kinetic(last)
    log_ratio = jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio)  # a trajectory that diverged
    chosen = accepts(_kinetic(pair), log_ratio)

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, proposed, state), jnp.exp(jnp.minimum(log_ratio, 0))


def accepts(exponential: PerChain, log_ratio: PerChain) -> Bool[Array, " P"]:
    """Whether each chain goes where its trajectory ended: with the probability min(1, exp(log_ratio)) (Metropolis).

    `exponential` is -log of a uniform number, or half the sum of the squares of two normal ones: the same law.
    """
    return log_ratio > -exponential


def leapfrog(
    target: Target, state: State, momentum: Z, beta: Scalar, step_size: Float[Array, "P 1"], num_leapfrog: int
) -> tuple[State, Z]:
    """(state, momentum) after `num_leapfrog` >= 1 steps (Neal 2011, eqs. 2.28 to 2.30).

    The half kicks of consecutive steps are one. From the end, with the momentum turned round, it leads back.
    """
    slope = jax.grad(lambda z: (target.log_prior(z) + beta * target.log_likelihood(z)).sum())

    def step(_: Int32[Array, ""], moving: tuple[Z, Z]) -> tuple[Z, Z]:
        z, momentum = moving
        z = z + step_size * momentum
        return z, momentum + step_size * slope(z)

    momentum = momentum + 0.5 * step_size * state.slope(beta)
    z, momentum = jax.lax.fori_loop(0, num_leapfrog - 1, step, (state.z, momentum))
    end = evaluate(target, z + step_size * momentum)
    return end, momentum + 0.5 * step_size * end.slope(beta)


def _kinetic(momentum: Z) -> PerChain:
    return 0.5 * jnp.square(momentum).sum(axis=1)
