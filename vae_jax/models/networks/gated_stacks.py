"""The network of a gated PixelCNN (van den Oord et al. 2016b, figure 2): two stacks of layers that see what is before a place."""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.models.networks.convolution import Pair, convolve
from vae_jax.models.networks.network import INITS

Features = Float[Array, "B H W F"]
Kept = tuple[Array, ...]
"""An array of each layer."""
hidden_init = INITS["glorot"].hidden


class Given(NamedTuple):
    """The conditions of each row; every layer sees them."""

    classes: Float[Array, "B Y"] | None = None
    """Numbers of the whole grid, such as a 1 at the class and 0 elsewhere."""
    around: Float[Array, "B H W C"] | None = None
    """Numbers of each place."""


class GatedStacks(nn.Module):
    """The layers of a gated PixelCNN: `see` the places before each place, then `predict` its indices.

    Indices are [B, H, W, R], R at each place. One-hot vectors [B, H, W, R, K] may take their place.
    """

    codes: int
    """R."""
    num_codes: int
    """K, the number of values of an index."""
    features: int
    layers: int
    kernel: int

    def setup(self) -> None:
        """Declare the layers."""
        shape = (self.codes, self.num_codes)
        self.values = self.param("values", nn.initializers.normal(1.0), (*shape, self.features))
        self.stacks = [Gated(self.features, self.kernel) for _ in range(self.layers)]
        self.own = nn.Dense(self.codes * self.features, kernel_init=hidden_init)
        if self.codes > 1:
            self.before = self.param("before", hidden_init, (*shape, self.codes * self.features))
        self.kernels = self.param("kernels", nn.initializers.zeros, (self.codes, self.features, self.num_codes))
        self.biases = self.param("biases", nn.initializers.zeros, shape)

    def __call__(self, indices: Array, given: Given) -> Float[Array, "B H W R K"]:
        """Map indices -> the logits of each index given those before it."""
        return self.predict(self.see(indices, given), indices)

    def see(self, indices: Array, given: Given) -> Features:
        """Map indices -> features of the places before each place."""
        x = self.look_up(indices)
        # Shifted by one, so that all later layers may look at their own row, or place, and still see only what is before.
        vertical = jnp.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
        horizontal = jnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
        for layer in self.stacks:
            vertical, joined = layer(vertical, given)
            horizontal, _ = layer(horizontal, given, joined)
        return horizontal

    def look_up(self, indices: Array) -> Features:
        """Map the indices of places -> the features by which other places see them."""
        return _looked_up(self.values, indices)

    def see_row(self, above: Kept, x: Float[Array, "B 1 W F"], given: Given) -> tuple[Kept, Kept]:
        """Map what each layer keeps of the rows above, and the row before -> the same of the next row, and what is joined to it.

        Together with `see_place` it computes `see` a row, then a place at a time, at the cost of one `see` for all places.
        """
        kept, joined = [], []
        for layer, rows in zip(self.stacks, above, strict=True):
            window = jnp.concatenate([rows, x], axis=1)
            x, own = layer(window, given, edges=False)
            kept.append(window[:, 1:])
            joined.append(own)
        return tuple(kept), tuple(joined)

    def see_place(
        self, left: Kept, x: Float[Array, "B 1 1 F"], joined: Kept, given: Given
    ) -> tuple[Kept, Float[Array, "B 1 1 F"]]:
        """Map what each layer keeps of places on the left, the place before, and what is joined here -> (kept, features)."""
        kept = []
        for layer, places, own in zip(self.stacks, left, joined, strict=True):
            window = jnp.concatenate([places, x], axis=2)
            x, _ = layer(window, given, own, edges=False)
            kept.append(window[:, :, 1:])
        return tuple(kept), x

    def predict(self, seen: Features, indices: Array) -> Float[Array, "B H W R K"]:
        """Map the features of places and their own indices -> logits; those of index r depend on the indices before r."""
        hidden = _of_rows(self.own, jax.nn.relu(seen))
        if self.codes > 1:
            order = jnp.arange(self.codes)
            later = jnp.repeat(order[:, None] < order[None, :], self.features, axis=1)
            hidden = hidden + _looked_up(jnp.where(later[:, None], self.before, 0.0), indices)
        rows = jax.nn.relu(hidden).reshape(-1, self.codes, self.features)
        logits = jnp.stack([rows[:, r] @ self.kernels[r] for r in range(self.codes)], axis=1) + self.biases[None]
        return logits.reshape(*seen.shape[:3], self.codes, self.num_codes)


def _of_rows(dense: nn.Dense, x: Features) -> Float[Array, "B H W G"]:
    """Return a dense layer's outputs at all places. As rows of one matrix their gradient takes half the time on a CPU."""
    return dense(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:3], -1)


def _looked_up(table: Float[Array, "R K D"], indices: Array) -> Float[Array, "B H W D"]:
    """Return the sum over r of the table's rows (r, index r), for indices or for one-hot vectors."""
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        return jnp.einsum("bhwrk,rkd->bhwd", indices, table)
    first, *rest = (jnp.take(table[r], indices[..., r], axis=0) for r in range(len(table)))
    return sum(rest, first)


class Gated(nn.Module):
    """A layer of both stacks: a convolution each, the vertical one's joined to the horizontal one's, gates, and the input added.

    The gate is tanh(a) sigmoid(b) (eq. 2). The paper adds the input in the horizontal stack alone.
    """

    features: int
    kernel: int
    """The odd width of the vertical convolution; both convolutions look (kernel - 1) / 2 rows, or places, back."""

    @nn.compact
    def __call__(
        self, x: Features, given: Given, joined: Float[Array, "B h w G"] | None = None, edges: bool = True
    ) -> tuple[Float[Array, "B h w F"], Float[Array, "B h w G"]]:
        """Map the vertical stack -> (the same of the next layer, what is joined to the horizontal stack).

        With `joined` map the horizontal stack -> (the same of the next layer, joined). Without `edges` x is no whole grid: its
        first (kernel - 1) / 2 rows, or places, are only looked at.
        """
        reach, dense = self.kernel // 2, partial(nn.Dense, kernel_init=hidden_init)
        around = None if given.classes is None else given.classes[:, None, None], given.around
        numbers = [values for values in around if values is not None]
        # Made in every call, in this order, because they are named by it.
        to_left, *of_given = dense(2 * self.features), *(dense(4 * self.features, use_bias=False) for _ in numbers)
        to_next = dense(self.features)
        if joined is not None:
            left = self._convolved("left", x, (1, reach + 1), ((0, 0), (reach * edges, 0))) + joined
            return x[:, :, reach * (not edges) :] + _of_rows(to_next, _gate(left)), joined
        above = self._convolved("above", x, (reach + 1, self.kernel), ((reach * edges, 0), (reach, reach)))
        joined = _of_rows(to_left, above)
        for layer, values in zip(of_given, numbers, strict=True):
            for_above, for_left = jnp.split(_of_rows(layer, values), 2, axis=-1)
            above, joined = above + for_above, joined + for_left
        return x[:, reach * (not edges) :] + _gate(above), joined

    def _convolved(self, name: str, x: Features, size: Pair, padding: tuple[Pair, Pair]) -> Float[Array, "B h w G"]:
        """Return a convolution of 2 F outputs, whose kernel has this size."""
        kernel = self.param(name, hidden_init, (*size, x.shape[-1], 2 * self.features))
        bias = self.param(f"{name}_bias", nn.initializers.zeros, (2 * self.features,))
        return convolve(x, kernel, (1, 1), padding, in_parts=True) + bias[None, None, None]


def _gate(x: Float[Array, "B H W G"]) -> Features:
    value, opening = jnp.split(x, 2, axis=-1)
    return jnp.tanh(value) * nn.sigmoid(opening)
