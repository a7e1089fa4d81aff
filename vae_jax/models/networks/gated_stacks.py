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
        x = _looked_up(self.values, indices)
        # Shifted by one, so that all later layers may look at their own row, or place, and still see only what is before.
        vertical = jnp.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
        horizontal = jnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
        for layer in self.stacks:
            vertical, horizontal = layer(vertical, horizontal, given)
        return horizontal

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
    def __call__(self, vertical: Features, horizontal: Features, given: Given) -> tuple[Features, Features]:
        """Map (vertical, horizontal) -> the same of the next layer."""
        reach, dense = self.kernel // 2, partial(nn.Dense, kernel_init=hidden_init)
        above = self._convolved("above", vertical, ((reach, 0), (reach, reach)))
        left = self._convolved("left", horizontal, ((0, 0), (reach, 0))) + _of_rows(dense(2 * self.features), above)
        for numbers in (None if given.classes is None else given.classes[:, None, None], given.around):
            if numbers is not None:
                for_above, for_left = jnp.split(_of_rows(dense(4 * self.features, use_bias=False), numbers), 2, axis=-1)
                above, left = above + for_above, left + for_left
        return vertical + _gate(above), horizontal + _of_rows(dense(self.features), _gate(left))

    def _convolved(self, name: str, x: Features, padding: tuple[Pair, Pair]) -> Float[Array, "B H W G"]:
        """Return a convolution of 2 F outputs, whose kernel covers a place and what is padded around it."""
        size = [1 + sum(pair) for pair in padding]
        kernel = self.param(name, hidden_init, (*size, x.shape[-1], 2 * self.features))
        bias = self.param(f"{name}_bias", nn.initializers.zeros, (2 * self.features,))
        return convolve(x, kernel, (1, 1), padding, in_parts=True) + bias[None, None, None]


def _gate(x: Float[Array, "B H W G"]) -> Features:
    value, opening = jnp.split(x, 2, axis=-1)
    return jnp.tanh(value) * nn.sigmoid(opening)
