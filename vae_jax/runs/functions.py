"""The functions of a model, compiled as a `Run` calls them; params come first.

Rows are a pair: images or z, and the labels that a conditional model needs, or None. Those that are decoded are three, with the
noise of their pixels, see `Functions.with_noise`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import numpy as np

from vae_jax.models import given, require_prior
from vae_jax.types import Model, Params

PIXELS = 0x91C5
"""The number that the key of a row is folded with for the draw of its pixels."""


class Functions:
    """The compiled functions of a model; each is compiled when it is first used."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @cached_property
    def encode(self) -> Callable[..., Any]:
        """(params, rows) -> posterior."""
        return jax.jit(lambda params, rows: given(self._model, rows[1]).encode(params, rows[0]))

    @cached_property
    def noise_free(self) -> Callable[..., Any]:
        """(params, rows) -> the noise-free z."""
        return jax.jit(self.noise_free_of)

    @cached_property
    def latents(self) -> Callable[..., Any]:
        """(params, rows) -> the noise-free z as numbers [B, F]."""
        return jax.jit(lambda params, rows: self._model.view(params, self.noise_free_of(params, rows)))

    @cached_property
    def view(self) -> Callable[..., Any]:
        """(params, z) -> z as numbers [B, F]."""
        return jax.jit(self._model.view)

    @cached_property
    def place(self) -> Callable[..., Any] | None:
        """(params, numbers [B, F]) -> z; None if numbers are no z."""
        return None if self._model.place is None else jax.jit(self._model.place)

    @cached_property
    def decode(self) -> Callable[..., Any]:
        """(params, rows with noise) -> pixel means, or draws of p(x|z) if the likelihood has no means."""
        return jax.jit(self._decode_rows)

    def with_noise(self, rows: tuple[Any, Any], seed: int, alike: bool = False) -> tuple[Any, Any, Any]:
        """Return rows with the noise of their draws: (seed, number of the row), u32[N, 2]; None if pixels have means.

        With `alike` all have the noise of row 0, so that they differ by z alone.
        """
        if self._model.pixel_mean is not None:
            return *rows, None
        numbers = np.arange(len(jax.tree.leaves(rows)[0])) * (not alike)
        return *rows, np.stack([np.full_like(numbers, seed), numbers], axis=1).astype(np.uint32)

    @cached_property
    def draw(self) -> Callable[..., Any]:
        """(params, keys [B], posterior, labels) -> (z, its KL terms, () without a rate); each row has a key of its own."""
        return jax.jit(jax.vmap(self._draw_one, in_axes=(None, 0, 0, 0)))

    @cached_property
    def prior(self) -> Callable[..., Any]:
        """(params, keys [n], labels [n] or None, temperature) -> n draws of z from the prior."""

        def draws(params: Params, keys: Any, labels: Any, temperature: float) -> Any:
            return jax.vmap(lambda key, label: self._prior_one(params, key, label, temperature))(keys, labels)

        return jax.jit(draws, static_argnums=3)

    def noise_free_of(self, params: Params, rows: tuple[Any, Any]) -> Any:
        """Return the noise-free z; not compiled."""
        model = given(self._model, rows[1])
        return model.reparameterize(params, None, model.encode(params, rows[0])).z

    def _decode_rows(self, params: Params, rows: tuple[Any, Any, Any]) -> Any:
        z, labels, noise = rows
        model = given(self._model, labels)
        outputs = model.decode(params, z)
        if model.pixel_mean is not None:
            return model.pixel_mean(params, outputs)

        def draw(noise: Any, outputs: Any) -> Any:
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(noise[0]), noise[1]), PIXELS)
            return self._model.sample_pixels(params, key, outputs[None])[0]

        return jax.vmap(draw)(noise, outputs)

    def _draw_one(self, params: Params, key: Any, row: Any, label: Any) -> Any:
        posterior, labels = jax.tree.map(lambda a: a[None], (row, label))
        model = given(self._model, labels)
        draw = model.reparameterize(params, key, posterior)
        terms = () if model.rate is None else model.rate.kl_terms(params, posterior, draw)
        return jax.tree.map(lambda a: a[0], (draw.z, terms))

    def _prior_one(self, params: Params, key: Any, label: Any, temperature: float) -> Any:
        prior = require_prior(given(self._model, None if label is None else label[None]))
        return jax.tree.map(lambda a: a[0], prior.sample(params, key, 1, temperature))
