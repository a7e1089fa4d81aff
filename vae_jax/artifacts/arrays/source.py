"""A trained model as functions on the host, with its test images and a person's choices."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from vae_jax.types import Split


class Request(NamedTuple):
    """A person's choices for the figures."""

    numbers: tuple[str | int, str | int] | None = None
    """The classes at the two ends of the walk, by name or number."""
    images: tuple[int, int] | None = None
    """The test images at the two ends of the walk, in the place of classes."""
    points: int = 2500
    """The most test images that t-SNE takes."""


class Source(NamedTuple):
    """A trained model's functions, on the host, and the data that they are shown on."""

    latents: Callable[..., Float[np.ndarray, "N F"]]
    """(images u8[N,H,W,C]) -> the noise-free z as numbers."""
    decode: Callable[..., Float[np.ndarray, "N H W C"]] | None
    """(z as numbers [N,F]) -> pixel means in [0, 1]; None if numbers are no z, such as those of discrete codes."""
    reconstruct: Callable[..., Float[np.ndarray, "N H W C"]]
    """(images, u8[N,H,W,C] or corrupted) -> pixel means in [0, 1]."""
    test: Split
    class_names: tuple[str, ...]
    history: dict[str, tuple[np.ndarray, np.ndarray]]
    """Metric -> (epochs, values)."""
    seed: int
    sample: Callable[..., Float[np.ndarray, "N H W C"]] | None = None
    """(n, seed, temperature=1.0) -> pixel means of n draws from the prior; None without a prior."""
    standard_prior: bool = False
    """True if the prior is N(0, I)."""
    sample_posterior: Callable[..., Float[np.ndarray, "N F"]] | None = None
    """(images u8[N,H,W,C], seed) -> one z per image, drawn from q(z|x); None without a prior."""
    on_sphere: bool = False
    """True if z lies on a sphere, so that `decode` reads the direction of numbers alone."""
    kl_terms: Callable[..., Float[np.ndarray, "N K"]] | None = None
    """(images u8[N,H,W,C]) -> the terms of the KL, in nats; None without a rate."""
    kl_names: tuple[str, ...] = ()
    """The names of the terms."""
    kl_of_dimensions: bool = False
    """True if the first terms are those of the F numbers of z."""
    film: Callable[[], tuple[list[int], Float[np.ndarray, "F M Z"], Int[np.ndarray, " M"]] | None] | None = None
    """() -> (steps, latents at these steps, indices of their test images), or None if none were stored."""
    given: Int[np.ndarray, " N"] | None = None
    """The labels of the test images if the model is conditional: every function above then takes labels as its last argument,
    one for each row, or a single one for all; None for other models."""
    train: Split | None = None
    """The training split, among which samples have neighbours; None: it is not known."""
    val: Split | None = None
    """The validation split, from the same images."""
    sample_prior: Callable[..., Float[np.ndarray, "N F"]] | None = None
    """(n, seed, temperature) -> draws from the prior as numbers; None without a prior."""
    component: Callable[..., Int[np.ndarray, " N"] | None] | None = None
    """(z as numbers [N,F]) -> the component of the prior that most probably drew each; None: the prior is no mixture."""
    num_components: int = 0
    """The number of components of the prior; 0: not known."""
    pixel_sigma: Callable[..., Float[np.ndarray, "N H W C"]] | None = None
    """(images u8[N,H,W,C]) -> the learned standard deviation of every pixel; None if none is learned."""
    steps_per_epoch: float | None = None
    """The training steps of an epoch, or None if there is no log."""
    draws_pixels: bool = False
    """True if pixels have no means, so that `decode`, `reconstruct` and `sample` return draws of p(x|z)."""
    corrupt: Callable[..., Float[np.ndarray, "N H W C"]] | None = None
    """(images u8[N,H,W,C], seed) -> the corrupted images that a denoiser encodes; None for other models."""
    step: int | None = None
    """The training step of the parameters, which the files of figures name; None: it is not known."""
    request: Request = Request()
    progress: Callable[[str], None] = lambda text: None
    """Called with a line of text now and then while something slow is computed."""

    def labels_of(self, rows: Any = slice(None)) -> tuple[Int[np.ndarray, " n"], ...]:
        """Return the last argument of a function of these test images: their labels if the model is conditional, else none."""
        return () if self.given is None else (self.given[rows],)
