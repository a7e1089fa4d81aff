"""A trained model with its config, for notebooks and figures."""

from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from vae_jax.data.preprocess import unit
from vae_jax.errors import InputError
from vae_jax.models import require_prior, require_rate
from vae_jax.objectives import make_objective
from vae_jax.runs.functions import Functions
from vae_jax.runs.labelled import Labelled
from vae_jax.runs.pieces import as_images, as_latents, as_seed, in_pieces, whole
from vae_jax.types import Config, Model, Params, Spec

Pixels = Float[np.ndarray, "N H W C"]


class Run(Labelled):
    """A trained model with its config; arrays in and out are numpy, images are [N, H, W, C].

    Attributes:
        config, model, params: the run's configuration, its pure functions and its parameters.
        spec, shape: the facts about its data, and (H, W, C) of its images.
        step: the training step that the parameters come from.
        workdir: the absolute path of its folder, or None if it was not loaded from one.

    Where pixels have no means (likelihood=pixelcnn), `decode`, `reconstruct` and `sample` return a draw of p(x|z) for each z;
    those of `decode` have the same noise, so that they differ by z alone.
    A conditional run (condition=label) takes the labels of its rows wherever it encodes or decodes: names of classes, or
    their positions in `class_names`, one for each row, or a single one for all. Other runs take none.
    A pickle holds workdir and step. JAX does not survive `fork`: use the `spawn` start method of multiprocessing.
    """

    def __init__(
        self, config: Config, model: Model, params: Params, spec: Spec, step: int, workdir: Path | None = None
    ) -> None:
        self.config, self.model, self.params, self.spec, self.step = config, model, params, spec, step
        self.shape, self.workdir = spec.shape, workdir
        self._corrupt = make_objective(config, model).corrupt
        self._functions = Functions(model)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that loads this run again.

        Raises:
            InputError: the run was not loaded from a folder.
        """
        from vae_jax.runs.loading import load_run

        if self.loaded_by is not None:
            return self.loaded_by
        if self.workdir is None:
            raise InputError("a Run without a workdir cannot be pickled; load it with load_run")
        return load_run, (self.workdir, "best", self.step)

    def encode(self, x: np.ndarray, labels: Any = None) -> Any:
        """Return the posterior of images: for a VAE with `mean` [N, Z] and `logvar` [N, Z]; see `latents` for any model.

        Args:
            x: uint8, or floats in [0, 1] (a denoiser: any); [N, H, W, C], or [N, H, W] for grey images.
            labels: the classes of the images, for a conditional run.

        Raises:
            InputError: the shape or the range is not that of the run's images; or labels are missing, or no classes.
        """
        return self._in_pieces(self._functions.encode, self._as_rows(x, labels))

    def latents(self, x: np.ndarray, labels: Any = None) -> Float[np.ndarray, "N F"]:
        """Return the noise-free z of images as numbers, for a VAE the posterior's mean; see `encode`."""
        return self._in_pieces(self._functions.latents, self._as_rows(x, labels))

    def decode(self, z: Any, labels: Any = None, seed: int = 0) -> Pixels:
        """Return pixel means E[x|z] in [0, 1] of latent points: numbers [N, F] like those of `latents`, or any z of the model.

        Raises:
            InputError: z is not of that shape, or numbers say no z of this model; labels as for `encode`.
        """
        place = self._functions.place
        rows = as_latents(z, self._point, None if place is None else self.latents_size)
        placed = self._in_pieces(place, rows) if place is not None and isinstance(rows, np.ndarray) else rows
        return self._decoded(self.with_labels(placed, labels), seed, alike=True)

    def reconstruct(self, x: np.ndarray, labels: Any = None, seed: int = 0) -> Pixels:
        """Decode images from their own noise-free z; see `encode`. A denoiser takes what `corrupt` returns.

        With likelihood=pixelcnn it is one draw of p(x|z) for each image, each with noise of its own.
        """
        rows = self._as_rows(x, labels)
        return self._decoded((self._in_pieces(self._functions.noise_free, rows), rows[1]), seed)

    def corrupt(self, x: np.ndarray, seed: int = 0) -> Pixels:
        """Add the noise of a denoiser's input to images, not clipped; x as for `encode`.

        Raises:
            InputError: the run's objective encodes the images as they are.
        """
        if self._corrupt is None:
            raise InputError(f"objective={self.config.objective}: does not corrupt its input; choices: denoising")
        return np.asarray(
            self._corrupt(jax.random.key(as_seed(seed)), jnp.asarray(unit(as_images(x, self.shape, any_range=True))))
        )

    def sample(self, n: int, seed: int = 0, label: Any = None, temperature: float = 1.0) -> Pixels:
        """Return pixel means of n draws from the prior, of a conditional run given a class; the first do not depend on n.

        A temperature below 1 keeps the draws nearer to the prior's modes; a uniform prior of codes has none.

        Raises:
            InputError: the model has no prior; n or seed is no whole number; or the label is missing, or no class.
        """
        n = whole("n", n)
        labels = self.with_labels(np.zeros(n), label, "label")[1]
        return self._decoded((self._drawn_from_prior(n, seed, temperature, labels), labels), seed)

    def sample_prior(self, n: int, seed: int = 0, temperature: float = 1.0) -> Float[np.ndarray, "N F"]:
        """Return n draws from the prior as numbers, those that `sample` decodes; of a conditional run the classes in turn.

        Raises:
            InputError: see `sample`.
        """
        n = whole("n", n)
        classes = np.arange(n, dtype=np.int32) % len(self.class_names) if self.model.given else None
        return self._in_pieces(self._functions.view, self._drawn_from_prior(n, seed, temperature, classes))

    def sample_posterior(self, x: np.ndarray, seed: int = 0, labels: Any = None) -> Float[np.ndarray, "N F"]:
        """Draw one z from the posterior of every image, as numbers; see `encode`.

        Raises:
            InputError: the model has no rate, so its posteriors are points.
        """
        require_rate(self.model, self.config.model)
        return self._in_pieces(self._functions.view, self._sampled(x, labels, seed)[0])

    def kl_terms(self, x: np.ndarray, labels: Any = None) -> Float[np.ndarray, "N K"]:
        """Return the terms of KL(q(z|x) || p(z)) of every image, in nats, named by `model.rate.kl_names`; see `encode`.

        Raises:
            InputError: the model has no prior.
        """
        require_rate(self.model, self.config.model)
        return np.asarray(self._sampled(x, labels, 0)[1])

    @cached_property
    def _point(self) -> Any:
        """The shapes of one latent point, as `decode` takes it."""
        rows = np.zeros((1, *self.shape), np.float32), np.zeros(1, np.int32) if self.model.given else None
        return jax.eval_shape(self._functions.noise_free_of, self.params, rows)

    @cached_property
    def latents_size(self) -> int:
        """F, the number of numbers in a latent point."""
        return jax.eval_shape(self.model.view, self.params, self._point).shape[1]

    def _drawn_from_prior(self, n: int, seed: int, temperature: float, labels: np.ndarray | None) -> Any:
        require_prior(self.model, self.config.model)
        keys = jax.random.split(jax.random.key(as_seed(seed)), n)
        return jax.device_get(self._functions.prior(self.params, keys, labels, temperature))

    def _sampled(self, x: np.ndarray, labels: Any, seed: int) -> tuple[Any, Any]:
        """Draw z from every posterior, and its terms of the KL; each row has its own key, so it depends on its index alone."""
        rows = self._as_rows(x, labels)
        posterior = jax.tree.map(jnp.asarray, self._in_pieces(self._functions.encode, rows))
        keys = jax.random.split(jax.random.key(as_seed(seed)), len(rows[0]))
        return jax.device_get(self._functions.draw(self.params, keys, posterior, rows[1]))

    def _decoded(self, rows: tuple[Any, Any], seed: int, alike: bool = False) -> Pixels:
        return self._in_pieces(self._functions.decode, self._functions.with_noise(rows, as_seed(seed), alike))

    def _in_pieces(self, function: Any, rows: Any) -> Any:
        return in_pieces(partial(function, self.params), rows, self.config.eval.batch_size)

    def _as_rows(self, x: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray | None]:
        return self.with_labels(as_images(x, self.shape, any_range=self.corrupts), labels)
