"""From stored pixels to what a model is given, and what kind of data these are."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, UInt8

from vae_jax.types import Images

Preprocess = Callable[[PRNGKeyArray, UInt8[Array, "B H W C"]], Images]


def make_preprocess(binarize: str) -> Preprocess:
    """(key, images u8[B,H,W,C]) -> x f32[B,H,W,C] in [0, 1]; for `dynamic` 0 or 1, drawn with the pixel's probability."""

    def preprocess(key: PRNGKeyArray, images: UInt8[Array, "B H W C"]) -> Images:
        x = images.astype(jnp.float32) / 255
        if binarize == "dynamic":
            x = jax.random.bernoulli(key, x).astype(jnp.float32)
        return x

    return preprocess


def kind_of_pixels(binarize: str, channels: int) -> str:
    """What kind of data numbers are taken on: `grey` or `colour`, or if pixels are binarised `static_seeded` or `dynamic`."""
    if binarize != "none":
        return binarize
    return "grey" if channels == 1 else "colour"
