"""The gated PixelCNN (van den Oord et al. 2016b): an autoregressive distribution of a grid of indices, without a blind spot."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from vae_jax.keys import count
from vae_jax.models.networks.gated_stacks import GatedStacks, Given
from vae_jax.types import Config, Params, PerExample

KEYS = (
    count("pixelcnn.features", 0, "width of all layers; 0: 64 for codes, 16 for pixels", "features", 0, 4096),
    count("pixelcnn.layers", 0, "layers of each stack; 0: 5 for codes, 3 for pixels", "layers", 0, 100),
    count("pixelcnn.kernel", 3, "odd width of the convolutions", "places", 1, 99),
)
"""The keys of the network, as the prior of codes and as the likelihood of pixels."""

Indices = Int32[Array, "B H W R"]
"""R indices at each place of a grid, from 0 to K - 1. Their order: rows, places of a row, the R of a place."""
NOTHING = Given()


class Size(NamedTuple):
    """The size of the network."""

    features: int
    """F, the width of all layers."""
    layers: int
    """The number of layers of each stack."""
    kernel: int = 3
    """The odd width of the convolutions of the vertical stack."""


OF_CODES, OF_PIXELS = Size(64, 5), Size(16, 3)
"""The sizes where a config has 0. Those of an image have some 16 times more places, and z for what is far away."""


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
    """(params, key, n, given=NOTHING, temperature=1.0) -> n draws; the temperature divides all logits. A draw is as much work as
    one log_prob."""


def size_of(config: Config, own: Size) -> Size:
    """Return the size that `config.pixelcnn` says, and `own` where it says 0."""
    given = config.pixelcnn
    return Size(given.features or own.features, given.layers or own.layers, given.kernel)


def problems(flat: Mapping[str, Any]) -> list[str]:
    """Return the problem of a kernel without a middle."""
    if flat["pixelcnn.kernel"] % 2:
        return []
    return [f"pixelcnn.kernel={flat['pixelcnn.kernel']}: an even kernel has no middle; choices: 1, 3, 5, ..."]


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

    A draw computes each layer at one place after another, with what it keeps of the places before (Ramachandran et al. 2017).

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
    network = GatedStacks(codes, num_codes, features, layers, kernel)

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

    return PixelCnn(init, logits, log_prob, _make_sample(network, grid))


def _make_sample(network: GatedStacks, grid: tuple[int, int]) -> Callable[..., Indices]:
    """Make `PixelCnn.sample`: a scan over the rows, and in it one over the places of a row."""
    (height, width), features, reach = grid, network.features, network.kernel // 2

    def kept(n: int, rows: int, columns: int) -> tuple[Array, ...]:
        return (jnp.zeros((n, rows, columns, features)),) * network.layers

    def sample(
        params: Params, key: PRNGKeyArray, n: int, given: Given = NOTHING, temperature: Float[Array, ""] | float = 1.0
    ) -> Indices:
        call: Any = partial(network.apply, {"params": params})

        def draw_row(carry: tuple[Any, Array], row: Int32[Array, ""]) -> tuple[tuple[Any, Array], Array]:
            here = given if given.around is None else given._replace(around=_at(given.around, row))
            above, joined = call(*carry, here, method="see_row")

            def draw_place(carry: tuple[Any, Array], column: Int32[Array, ""]) -> tuple[tuple[Any, Array], Array]:
                own = jax.tree.map(lambda values: _at(values, column, axis=2), joined)
                left, seen = call(*carry, own, here, method="see_place")
                drawn = draw_indices(jax.random.fold_in(key, row * width + column), seen)
                return (left, call(drawn, method="look_up")), drawn[:, 0, 0]

            start = (kept(n, 1, reach), jnp.zeros((n, 1, 1, features)))
            _, drawn = jax.lax.scan(draw_place, start, jnp.arange(width))
            indices = drawn.swapaxes(0, 1)[:, None]
            return (above, call(indices, method="look_up")), indices[:, 0]

        def draw_indices(key: PRNGKeyArray, seen: Float[Array, "B 1 1 F"]) -> Int32[Array, "B 1 1 R"]:
            own = jnp.zeros((n, 1, 1, network.codes), jnp.int32)
            for r, key_own in enumerate(jax.random.split(key, network.codes)):
                found: Any = call(seen, own, method="predict")
                drawn = jax.random.categorical(key_own, found[..., r, :] / temperature)
                own = own.at[..., r].set(drawn.astype(jnp.int32))
            return own

        start = (kept(n, reach, width), jnp.zeros((n, 1, width, features)))
        _, rows = jax.lax.scan(draw_row, start, jnp.arange(height))
        return rows.swapaxes(0, 1)

    return sample


def _at(values: Array, index: Int32[Array, ""], axis: int = 1) -> Array:
    """Return the row of a grid, or the column, with this number; the axis stays."""
    return jax.lax.dynamic_slice_in_dim(values, index, 1, axis)
