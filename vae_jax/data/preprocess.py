"""From stored pixels to the x that a model gets, and the name of that kind of data."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, UInt8

from vae_jax.types import Images

Preprocess = Callable[[PRNGKeyArray, UInt8[Array, "B H W C"]], Images]


def unit_interval(images: Any) -> Any:
    """Return u8 pixels, a numpy or a jax array, as float32 in [0, 1]. This is the only place that divides by 255."""
    return images.astype(np.float32) / np.float32(255)


def make_preprocess(binarize: str) -> Preprocess:
    """Make a function (key, images u8[B,H,W,C]) -> x f32[B,H,W,C] in [0, 1].

    With `dynamic`, each x is 0 or 1, drawn with the pixel's value as the probability of 1.
    """

    def preprocess(key: PRNGKeyArray, images: UInt8[Array, "B H W C"]) -> Images:
        x = unit_interval(images)
        if binarize == "dynamic":
            x = jax.random.bernoulli(key, x).astype(jnp.float32)
        return x

    return preprocess


def kind_of_pixels(binarize: str, channels: int) -> str:
    """Return the kind of pixels: `static_seeded` or `dynamic` if they are binarised, else `grey` or `colour`."""
    if binarize != "none":
        return binarize
    return "grey" if channels == 1 else "colour"
