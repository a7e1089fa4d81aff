"""A trained model as functions on the host, with the images and the wishes that figures are drawn for."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from vae_jax.types import Split


class Request(NamedTuple):
    """What a person may choose of the figures."""

    numbers: tuple[int, int] | None = None
    """Classes that the walk leads between."""
    images: tuple[int, int] | None = None
    """Test images that the walk leads between, instead of classes."""
    points: int = 2500
    """Most test images that t-SNE takes."""


class Source(NamedTuple):
    """A trained model's functions, on the host, and the data that they are shown on."""

    encode: Callable[..., Any]
    """(images u8[N,H,W,C]) -> posterior with `mean` [N,Z]."""
    decode: Callable[..., Float[np.ndarray, "N H W C"]]
    """(z [N,Z]) -> pixel means in [0, 1]."""
    reconstruct: Callable[..., Float[np.ndarray, "N H W C"]]
    """(images, u8[N,H,W,C] or corrupted) -> pixel means in [0, 1]."""
    test: Split
    class_names: tuple[str, ...]
    history: dict[str, tuple[np.ndarray, np.ndarray]]
    """Metric -> (epochs, values)."""
    seed: int
    sample: Callable[..., Float[np.ndarray, "N H W C"]] | None = None
    """(n, seed) -> pixel means of n draws from the prior; None without a prior."""
    standard_prior: bool = False
    """Whether what is decoded is N(0, I) under the prior."""
    sample_posterior: Callable[..., Float[np.ndarray, "N Z"]] | None = None
    """(images u8[N,H,W,C], seed) -> one z of q(z|x) an image; None without a prior."""
    kl_terms: Callable[..., Float[np.ndarray, "N K"]] | None = None
    """(images u8[N,H,W,C]) -> nats of each latent dimension; None without a prior."""
    film: Callable[[], tuple[list[int], Float[np.ndarray, "F M Z"], Int[np.ndarray, " M"]] | None] | None = None
    """() -> steps, latents at these steps, and the test images that they are of, or None where none were stored."""
    corrupt: Callable[..., Float[np.ndarray, "N H W C"]] | None = None
    """(images u8[N,H,W,C], seed) -> what the model encodes in their place; None where it is the images themselves."""
    request: Request = Request()
    progress: Callable[[str], None] = lambda text: None
    """Gets a line of text now and then while something slow is computed."""
