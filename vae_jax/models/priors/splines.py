"""Monotone rational-quadratic splines on [-TAIL, TAIL], and the identity outside (Durkan et al. 2019)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vae_jax.models.priors.couplings import Map, bounded

X = Float[Array, "B M"]
TAIL = 5.0
"""The splines are on [-TAIL, TAIL]: beyond it lie 6e-7 of the mass of N(0, 1)."""
SMALLEST_BIN = 0.1
"""The smallest width or height of a bin, where that of equal bins is 1."""


class Bin(NamedTuple):
    """The bin of each x: its lower left corner, its sizes, and the derivatives at its two ends."""

    x: X
    y: X
    width: X
    height: X
    slope: X
    next_slope: X


def spline(bins: int) -> Map:
    """Return the map by splines of `bins` bins, whose 3 bins - 1 parameters are 0 for the identity."""

    def forward(x: X, raw: Float[Array, "B R M"]) -> tuple[X, X]:
        inside = jnp.abs(x) < TAIL
        at = jnp.clip(x, -TAIL, TAIL)
        found = _find(raw, at, by_height=False)
        y, log_slope = _forward(found, jnp.clip((at - found.x) / found.width, 0.0, 1.0))
        return jnp.where(inside, y, x), jnp.where(inside, log_slope, 0.0)

    def inverse(y: X, raw: Float[Array, "B R M"]) -> X:
        at = jnp.clip(y, -TAIL, TAIL)
        x = _inverse(_find(raw, at, by_height=True), at)
        return jnp.where(jnp.abs(y) < TAIL, x, y)

    return Map(3 * bins - 1, forward, inverse)


def _find(raw: Float[Array, "B R M"], at: X, by_height: bool) -> Bin:
    """Return the bin of each x, or of each y if `by_height`, from K widths, K heights and K - 1 inner slopes.

    All that is taken from the bins are masked sums, because gathers and their gradients are slow on a CPU.
    """
    bins = (raw.shape[1] + 1) // 3
    widths, heights = (_shares(raw[:, start : start + bins]) for start in (0, bins))
    ends = jnp.cumsum(jax.lax.stop_gradient(heights if by_height else widths)[:, :-1], axis=1)
    passed = at[:, None] >= 2 * TAIL * ends - TAIL
    never = jnp.zeros_like(passed[:, :1])
    before, entered = jnp.concatenate([passed, never], axis=1), jnp.concatenate([~never, passed], axis=1)
    here = entered & ~before
    slope, next_slope = _sum(here[:, 1:], raw[:, 2 * bins :]), _sum(here[:, :-1], raw[:, 2 * bins :])
    x, y = (2 * TAIL * _sum(before, shares) - TAIL for shares in (widths, heights))
    width, height = (2 * TAIL * _sum(here, shares) for shares in (widths, heights))
    return Bin(x, y, width, height, jnp.exp(bounded(slope)), jnp.exp(bounded(next_slope)))


def _shares(raw: Float[Array, "B K M"]) -> Float[Array, "B K M"]:
    """Return the parts of [-TAIL, TAIL] that the bins take, each at least SMALLEST_BIN / K."""
    return SMALLEST_BIN / raw.shape[1] + (1 - SMALLEST_BIN) * jax.nn.softmax(raw, axis=1)


def _sum(mask: Bool[Array, "B K M"], values: Float[Array, "B K M"]) -> X:
    return jnp.where(mask, values, 0.0).sum(axis=1)


def _forward(bin: Bin, t: X) -> tuple[X, X]:
    """Return y at x = bin.x + t bin.width, and log dy/dx (eqs. 4 and 5)."""
    mean_slope = bin.height / bin.width
    bend = bin.slope + bin.next_slope - 2 * mean_slope
    product = t * (1 - t)
    denominator = mean_slope + bend * product
    y = bin.y + bin.height * (mean_slope * t**2 + bin.slope * product) / denominator
    numerator = bin.next_slope * t**2 + 2 * mean_slope * product + bin.slope * (1 - t) ** 2
    return y, jnp.log(numerator * (mean_slope / denominator) ** 2)


def _inverse(bin: Bin, y: X) -> X:
    """Return x (eqs. 6 to 8): the root of a t^2 + b t + c in the form 2 c / (-b - sqrt(b^2 - 4 a c)), where nothing cancels."""
    mean_slope = bin.height / bin.width
    above = jnp.clip(y - bin.y, 0.0, bin.height)
    bent = above * (bin.slope + bin.next_slope - 2 * mean_slope)
    a = bin.height * (mean_slope - bin.slope) + bent
    b = bin.height * bin.slope - bent
    c = -mean_slope * above
    t = 2 * c / (-b - jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 0.0)))
    return bin.x + bin.width * t
