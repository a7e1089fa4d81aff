"""The gated PixelCNN (van den Oord et al. 2016b): an autoregressive distribution of a grid of indices, without a blind spot."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.models.networks.gated_stacks import GatedStacks, Given
from vae_jax.types import Params, PerExample

Indices = Int32[Array, "B H W R"]
"""R indices at each place of a grid, from 0 to K - 1. Their order: rows, places of a row, the R of a place."""
NOTHING = Given()


class PixelCnn(NamedTuple):
    """An autoregressive distribution of indices as pure functions; `given` has what the network was made for."""

    init: Callable[[PRNGKeyArray], Params]
    """(key) -> params. The last layer is 0, so all K values are equally probable at first: log_prob is -T log K, T = H W R."""
    logits: Callable[..., Float[Array, "B H W R K"]]
    """(params, indices, given=NOTHING) -> log p(index | the indices before it) of all K values, plus a constant for each index.
    One-hot vectors f32[B,H,W,R,K] may take the place of indices."""
    log_prob: Callable[..., PerExample]
    """(params, indices, given=NOTHING) -> log p(indices) [B], nats, in one pass."""
    sample: Callable[..., Indices]
    """(params, key, n, given=NOTHING, temperature=1.0) -> n draws, in H W passes; the temperature divides all logits."""


def make_pixelcnn(
    grid: tuple[int, int],
    codes: int,
    num_codes: int,
    features: int = 64,
    layers: int = 5,
    kernel: int = 3,
    given: tuple[int, int] = (0, 0),
) -> PixelCnn:
    """Make a gated PixelCNN of H x W places with R indices each, every one of which depends on those before it.

    A place sees all places before it that are at most `layers` (`kernel` - 1) / 2 rows and columns away. Of the R indices of a
    place each depends on those before it too, through a masked layer.

    A pass is that of a convolutional network on the whole grid. A draw takes one for each place, H W times a `log_prob`.

    Args:
        grid: (H, W).
        codes: R.
        num_codes: K.
        features: F, the width of all layers.
        layers: the number of layers of each stack.
        kernel: the odd width of the convolutions of the vertical stack.
        given: (Y, C), the sizes of `Given`; 0 for what is not given.
    """
    assert kernel % 2, f"a kernel of width {kernel} has no middle"
    network, (height, width) = GatedStacks(codes, num_codes, features, layers, kernel), grid

    def init(key: PRNGKeyArray) -> Params:
        shapes = (1, given[0]), (1, *grid, given[1])
        conditions = Given(*(jnp.zeros(shape) if shape[-1] else None for shape in shapes))
        return network.init(key, jnp.zeros((1, *grid, codes), jnp.int32), conditions)["params"]

    def logits(params: Params, indices: Array, given: Given = NOTHING) -> Float[Array, "B H W R K"]:
        found: Any = network.apply({"params": params}, indices, given)
        return found

    def log_prob(params: Params, indices: Indices, given: Given = NOTHING) -> PerExample:
        of_all = jax.nn.log_softmax(logits(params, indices, given))
        return jnp.take_along_axis(of_all, indices[..., None], axis=-1).sum(axis=(1, 2, 3, 4))

    def sample(
        params: Params, key: PRNGKeyArray, n: int, given: Given = NOTHING, temperature: Float[Array, ""] | float = 1.0
    ) -> Indices:
        def draw_place(indices: Indices, place: Int32[Array, ""]) -> tuple[Indices, None]:
            at = (0, place // width, place % width, 0)
            seen: Any = network.apply({"params": params}, indices, given, method="see")
            here = jax.lax.dynamic_slice(seen, at, (n, 1, 1, features))
            own = jnp.zeros((n, 1, 1, codes), jnp.int32)
            for r, key_own in enumerate(jax.random.split(jax.random.fold_in(key, place), codes)):
                found: Any = network.apply({"params": params}, here, own, method="predict")
                drawn = jax.random.categorical(key_own, found[..., r, :] / temperature)
                own = own.at[..., r].set(drawn.astype(jnp.int32))
            return jax.lax.dynamic_update_slice(indices, own, at), None

        # What is not drawn yet is 0, and no place that is drawn before it depends on it.
        nothing_drawn = jnp.zeros((n, *grid, codes), jnp.int32)
        return jax.lax.scan(draw_place, nothing_drawn, jnp.arange(height * width))[0]

    return PixelCnn(init, logits, log_prob, sample)
