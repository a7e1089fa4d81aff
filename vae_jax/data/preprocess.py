"""Preprocessing of stored pixels for a model, and the name of the kind of data."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, Shaped

from vae_jax.types import Images

Preprocess = Callable[[PRNGKeyArray, Shaped[Array, "B H W C"]], Images]

Numbers = TypeVar("Numbers", np.ndarray, Array)


def unit(images: Numbers) -> Numbers:
    """Return pixels f32 in [0, 1] for uint8 images, and others as they are.

    Floats take four times the memory: give it few images at a time.
    """
    return images / np.float32(255) if images.dtype == np.uint8 else images


def make_preprocess(binarize: str) -> Preprocess:
    """Make a function (key, images u8[B,H,W,C]) -> x f32[B,H,W,C] in [0, 1]; with `dynamic`, x is drawn from {0, 1}.

    Codes become floats of the same values.
    """

    def preprocess(key: PRNGKeyArray, images: Shaped[Array, "B H W C"]) -> Images:
        x = unit(images).astype(jnp.float32)
        if binarize == "dynamic":
            x = jax.random.bernoulli(key, x).astype(jnp.float32)
        return x

    return preprocess


def kind_of_pixels(binarize: str, channels: int) -> str:
    """Return the kind of data: `grey` or `colour`, or `static_seeded` or `dynamic` if pixels are binarised."""
    if binarize != "none":
        return binarize
    return "grey" if channels == 1 else "colour"
