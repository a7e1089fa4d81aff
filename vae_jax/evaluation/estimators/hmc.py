"""Hamiltonian Monte Carlo (Neal 2011) of many chains at once, each for one image, on log p(z) + beta log p(x|z).

The decoder and its derivative take almost all of the time. A state keeps both parts of the target, so a transition of L
leapfrog steps costs L derivatives, even if beta has changed. The likelihood's value is computed only at the end of a trajectory.

Axes: P chains (images times chains per image), D numbers in a z.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int32, Key

from vae_jax.models import prepared, require_euclidean, require_rate
from vae_jax.types import Images, Model, Params

Z = Float[Array, "P D"]
PerChain = Float[Array, " P"]
Scalar = Float[Array, ""]
JITTER = 0.1
"""The standard deviation of the log step size between trajectories. With a fixed size, ten steps can be a whole period of all
directions at once, and the chain would return to its start (Neal 2011, section 5.4.2.2). Near the prior directions are alike."""


class Target(NamedTuple):
    """The two parts of log p(z) + beta log p(x|z), nats; row p of the result depends on row p of z alone."""

    log_prior: Callable[[Z], PerChain]
    log_likelihood: Callable[[Z], PerChain]


class State(NamedTuple):
    """The positions of the chains, with the values and gradients of the target."""

    z: Z
    log_prior: PerChain
    prior_gradient: Z
    """The gradient of log_prior for z."""
    log_likelihood: PerChain
    likelihood_gradient: Z

    def tempered(self, beta: Scalar) -> PerChain:
        """Return log p(z) + beta log p(x|z)."""
        return self.log_prior + beta * self.log_likelihood

    def gradient(self, beta: Scalar) -> Z:
        """Return the gradient of `tempered` for z."""
        return self.prior_gradient + beta * self.likelihood_gradient


def make_target(model: Model, params: Params, x: Images, z: Any) -> tuple[Target, Z]:
    """Return the target of chains for the images x [P, H, W, C], and z, a pytree of leaves [P, ...], as rows of numbers.

    Raises:
        InputError: the model has no prior, or discrete codes.
    """
    require_euclidean(model, "and Hamiltonian Monte Carlo needs gradients for z")
    log_prior, _ = require_rate(model)
    of_prior = prepared(model, params)  # outside of the loops over temperatures and leapfrog steps
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], z))

    def prior(rows: Z) -> PerChain:
        return log_prior(of_prior, jax.vmap(unravel)(rows))

    def likelihood(rows: Z) -> PerChain:
        return model.log_likelihood(params, x, model.decode(params, jax.vmap(unravel)(rows)))

    return Target(prior, likelihood), jax.vmap(lambda row: ravel_pytree(row)[0])(z)


def state_at(target: Target, z: Z) -> State:
    """Compute the state at z."""
    log_prior, prior_vjp = jax.vjp(target.log_prior, z)
    log_likelihood, likelihood_vjp = jax.vjp(target.log_likelihood, z)
    (prior_gradient,), (likelihood_gradient,) = prior_vjp(ones := jnp.ones_like(log_prior)), likelihood_vjp(ones)
    return State(z, log_prior, prior_gradient, log_likelihood, likelihood_gradient)


def transition(
    target: Target, keys: Key[Array, " P"], state: State, beta: Scalar, step_size: Scalar, num_leapfrog: int
) -> tuple[State, PerChain]:
    """Return (next state, probability of acceptance [P]) after one trajectory with a new momentum from N(0, I).

    The transition leaves p(z) p(x|z)^beta invariant and is reversible: it is its own reversal in time.

    Args:
        target, state: of the chains.
        keys: a key per chain, not used elsewhere.
        beta: the inverse temperature, 0 to 1.
        step_size: the size of a leapfrog step, before JITTER; it must not depend on the chains' states.
        num_leapfrog: the number of steps in the trajectory.
    """
    # One draw for everything random: three would take longer to compile than the rest of the transition.
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
    """Return True for each chain that accepts its proposal, with probability min(1, exp(log_ratio)) (Metropolis).

    `exponential` is -log of a uniform number or, with the same law, half the sum of the squares of two normal numbers.
    """
    return log_ratio > -exponential


def leapfrog(
    target: Target, state: State, momentum: Z, beta: Scalar, step_size: Float[Array, "P 1"], num_leapfrog: int
) -> tuple[State, Z]:
    """Return (state, momentum) after `num_leapfrog` >= 1 steps (Neal 2011, eqs. 2.28 to 2.30).

    The half steps of the momentum between two steps are joined. From the end, with the momentum negated, it returns to the
    start.
    """
    gradient = jax.grad(lambda z: (target.log_prior(z) + beta * target.log_likelihood(z)).sum())

    def step(_: Int32[Array, ""], moving: tuple[Z, Z]) -> tuple[Z, Z]:
        z, momentum = moving
        z = z + step_size * momentum
        return z, momentum + step_size * gradient(z)

    momentum = momentum + 0.5 * step_size * state.gradient(beta)
    z, momentum = jax.lax.fori_loop(0, num_leapfrog - 1, step, (state.z, momentum))
    end = state_at(target, z + step_size * momentum)
    return end, momentum + 0.5 * step_size * end.gradient(beta)


def _kinetic(momentum: Z) -> PerChain:
    return 0.5 * jnp.square(momentum).sum(axis=1)
