"""Sylvester flows with Householder reflections (van den Berg et al. 2018), whose parameters the encoder gives for each image."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from vae_jax.keys import count
from vae_jax.models.posteriors.family import Features, PosteriorFamily, Z
from vae_jax.models.posteriors.flowing import Moved, cut, make_flowing
from vae_jax.types import Config, Params, Posterior

KEYS = (
    count("sylvester.steps", 4, "steps of a Sylvester posterior", "steps", 1),
    count(
        "sylvester.reflections",
        8,
        "Householder reflections whose product is a step's orthogonal matrix",
        "reflections",
        1,
    ),
)
LARGEST_DIAGONAL = 0.99
"""The largest absolute value on the diagonals: their products stay above -1, and a step is invertible."""
SMALLEST = 1e-12
"""The least squared length of a reflection's vector."""
HALVINGS = 32
"""The bisections of an inverse: from an interval of length 2 to 5e-10."""


class Step(NamedTuple):
    """One step of every image."""

    outer: Float[Array, "B Z Z"]
    """R, upper triangular."""
    inner: Float[Array, "B Z Z"]
    """R~, upper triangular."""
    bias: Z
    vectors: Float[Array, "B H Z"]
    """The vectors of the reflections."""


class Sylvester(NamedTuple):
    """A diagonal Gaussian and T steps, as the encoder gives them."""

    base: Posterior
    triangles: Float[Array, "B T Z Z"]
    """R above the diagonal, and the transpose of R~ below it. On the diagonal, R's before it is bounded."""
    diagonal: Float[Array, "B T Z"]
    """The diagonal of R~ before it is bounded."""
    bias: Float[Array, "B T Z"]
    vectors: Float[Array, "B T H Z"]

    def step(self, number: int) -> Step:
        """Return one step, with its diagonals bounded."""
        matrix = self.triangles[:, number]
        size = matrix.shape[-1]
        diagonals = jnp.diagonal(matrix, axis1=1, axis2=2), self.diagonal[:, number]
        eye = jnp.eye(size, dtype=matrix.dtype)[None]
        outer, inner = (
            jnp.triu(one, 1) + eye * LARGEST_DIAGONAL * jnp.tanh(diagonal)[:, None]
            for one, diagonal in zip((matrix, matrix.swapaxes(1, 2)), diagonals, strict=True)
        )
        return Step(outer, inner, self.bias[:, number], self.vectors[:, number])


def make_sylvester(config: Config) -> PosteriorFamily:
    r"""Make the posterior of `sylvester.steps` steps z + Q R tanh(R~ Q^T z + b), with its own Q, R, R~ and b for every image.

    .. math:: z_t = z_{t-1} + Q R \tanh(\tilde R Q^\top z_{t-1} + b), \quad
        \log |\det J_t| = \sum_k \log \left| 1 + \tanh'(\cdot)_k R_{kk} \tilde R_{kk} \right|
    """
    size, steps, reflections = config.latent_dim, config.sylvester.steps, config.sylvester.reflections

    def posterior(features: Features) -> Sylvester:
        shapes = (steps, size, size), (steps, size), (steps, size), (steps, reflections, size)
        mean, logvar, *rest = cut(features, (size,), (size,), *shapes)
        return Sylvester(Posterior(mean, logvar), *rest)

    def forward(params: Params, posterior: Sylvester, z: Z) -> Moved:
        log_det = jnp.zeros(z.shape[0], z.dtype)
        for number in range(steps):
            z, gained = sylvester_step(posterior.step(number), z)
            log_det += gained
        return z, log_det

    def inverse(params: Params, posterior: Sylvester, z: Z) -> Moved:
        log_det = jnp.zeros(z.shape[0], z.dtype)
        for number in reversed(range(steps)):
            step = posterior.step(number)
            z = inverse_step(step, z)
            log_det += sylvester_step(step, z)[1]
        return z, log_det

    num_features = 2 * size + steps * size * (size + 2 + reflections)
    return make_flowing(size, num_features, posterior, forward, inverse)


def sylvester_step(step: Step, z: Z) -> Moved:
    """Return z + Q R h(R~ Q^T z + b) and log |prod_i (1 + h'_i R_ii R~_ii)|, h = tanh."""
    inside = _times(step.inner, reflect(step.vectors, z, transposed=True)) + step.bias
    turned = jnp.tanh(inside)
    diagonal = jnp.diagonal(step.outer, axis1=1, axis2=2) * jnp.diagonal(step.inner, axis1=1, axis2=2)
    log_det = jnp.log1p((1 - jnp.square(turned)) * diagonal).sum(axis=1)
    return z + reflect(step.vectors, _times(step.outer, turned)), log_det


def inverse_step(step: Step, z: Z) -> Z:
    """Return the z that `sylvester_step` maps to z.

    With v = Q^T z of the result, Q^T z = v + R h(R~ v + b) is solved from the last coordinate to the first. Each is the root of
    an increasing function of one number, which is within |R_ii| of the left side.
    """
    given, size = reflect(step.vectors, z, transposed=True), z.shape[1]

    def solve(count: Int32[Array, ""], found: tuple[Z, Z]) -> tuple[Z, Z]:
        v, turned = found
        i = size - 1 - count
        # Coordinates that are not found yet are 0, and so is what is below the diagonals.
        target = given[:, i] - (step.outer[:, i] * turned).sum(axis=1)
        shift = step.bias[:, i] + (step.inner[:, i] * v).sum(axis=1)
        outer, inner = step.outer[:, i, i], step.inner[:, i, i]

        def halve(_: Int32[Array, ""], bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = (low + high) / 2
            above = middle + outer * jnp.tanh(inner * middle + shift) > target
            return jnp.where(above, low, middle), jnp.where(above, middle, high)

        low, high = jax.lax.fori_loop(0, HALVINGS, halve, (target - jnp.abs(outer), target + jnp.abs(outer)))
        # A step of Newton's method from the root has the derivatives of the root, which bisection has not.
        root = jax.lax.stop_gradient((low + high) / 2)
        slope = 1 + outer * inner * (1 - jnp.square(jnp.tanh(inner * root + shift)))
        root -= (root + outer * jnp.tanh(inner * root + shift) - target) / jax.lax.stop_gradient(slope)
        return v.at[:, i].set(root), turned.at[:, i].set(jnp.tanh(inner * root + shift))

    v, _ = jax.lax.fori_loop(0, size, solve, (jnp.zeros_like(z), jnp.zeros_like(z)))
    return reflect(step.vectors, v)


def reflect(vectors: Float[Array, "B H Z"], z: Z, transposed: bool = False) -> Z:
    """Return Q z or Q^T z with Q = prod_h (I - 2 v_h v_h^T / |v_h|^2), orthogonal."""
    numbers = range(vectors.shape[1])
    for number in numbers if transposed else reversed(numbers):
        v = vectors[:, number]
        share = (v * z).sum(axis=1, keepdims=True) / jnp.maximum(jnp.square(v).sum(axis=1, keepdims=True), SMALLEST)
        z = z - 2 * share * v
    return z


def _times(matrix: Float[Array, "B Z Z"], z: Z) -> Z:
    return jnp.einsum("bij,bj->bi", matrix, z)
