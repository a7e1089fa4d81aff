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
from vae_jax.models import require_prior
from vae_jax.models.standard_normal import flat, from_standard, is_standard
from vae_jax.objectives import make_objective
from vae_jax.runs.pieces import as_images, as_latents, in_pieces
from vae_jax.types import Config, Model, Params

Pixels = Float[np.ndarray, "N H W C"]


class Run:
    """A trained model with its config; arrays in and out are numpy, images are [N, H, W, C].

    Attributes:
        config: the run's configuration.
        model: its pure functions.
        params: its parameters.
        shape: (H, W, C) of its images.
        step: the training step that the parameters come from.
        workdir: the absolute path of its folder, or None if it was not loaded from one.

    A pickle holds workdir and step. JAX does not survive `fork`: use the `spawn` start method of multiprocessing.
    """

    def __init__(
        self,
        config: Config,
        model: Model,
        params: Params,
        shape: tuple[int, int, int],
        step: int,
        workdir: Path | None = None,
    ) -> None:
        self.config, self.model, self.params, self.shape, self.step = config, model, params, shape, step
        self.workdir = workdir
        self._corrupt = make_objective(config, model).corrupt
        self._encode = jax.jit(model.encode)
        self._decode = jax.jit(lambda params, z: model.pixel_mean(params, model.decode(params, z)))
        self._draw = jax.jit(jax.vmap(self._draw_one, in_axes=(None, 0, 0)))
        self._kl_terms = jax.jit(lambda params, *given: model.kl_terms(params, *given))  # pyright: ignore[reportOptionalCall]
        self._prior = jax.jit(jax.vmap(self._prior_one, in_axes=(None, 0)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that loads this run again.

        Raises:
            InputError: the run was not loaded from a folder.
        """
        from vae_jax.runs.loading import load_run

        if self.workdir is None:
            raise InputError("a Run without a workdir cannot be pickled; load it with load_run")
        return load_run, (self.workdir, "best", self.step)

    def encode(self, x: np.ndarray) -> Any:
        """Return the posterior of images, with `mean` [N, Z] (and `logvar` for a VAE).

        Args:
            x: uint8, or floats in [0, 1] (a denoiser: any); [N, H, W, C], or [N, H, W] for grey images.

        Raises:
            InputError: the shape or the range is not that of the run's images.
        """
        return self._in_pieces(self._encode, self._as_images(x))

    def decode(self, z: Any) -> Pixels:
        """Return pixel means E[x|z] in [0, 1] of latent points z [N, Z], or of the z of a model with several layers.

        Raises:
            InputError: z is not of that shape.
        """
        return self._in_pieces(self._decode, as_latents(z, self._point))

    def reconstruct(self, x: np.ndarray) -> Pixels:
        """Decode images from their own posterior means; x as for `encode`. A denoiser takes what `corrupt` returns."""
        return self.decode(self.encode(x).mean)

    def corrupt(self, x: np.ndarray, seed: int = 0) -> Pixels:
        """Add the noise of a denoiser's input to images, not clipped; x as for `encode`.

        Raises:
            InputError: the run's objective encodes the images as they are.
        """
        if self._corrupt is None:
            raise InputError(f"objective={self.config.objective}: does not corrupt its input; choices: denoising")
        return np.asarray(self._corrupt(jax.random.key(seed), jnp.asarray(unit(self._as_images(x)))))

    def sample(self, n: int, seed: int = 0) -> Pixels:
        """Return pixel means of n draws from the prior; the first draws do not depend on n.

        Raises:
            InputError: the model has no prior, or n is negative.
        """
        require_prior(self.model, self.config.model)
        if n < 0:
            raise InputError(f"n={n}: not a number of images, at least 0")
        return self.decode(self._prior(self.params, jax.random.split(jax.random.key(seed), n)))

    def sample_posterior(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """Draw one z [N, Z] from the posterior of every image; x as for `encode`.

        A model with several layers returns the z of the last layer, whose prior is N(0, I).

        Raises:
            InputError: the model has no prior, so its posteriors are points.
        """
        require_prior(self.model, self.config.model)
        return np.asarray(jax.tree.leaves(self._sampled(self.encode(x), seed))[-1])

    def kl_terms(self, x: np.ndarray) -> Float[np.ndarray, "N K"]:
        """Return KL(q(z|x) || p(z)) of every image, in nats for each latent dimension; x as for `encode`.

        Raises:
            InputError: the model has no prior.
        """
        require_prior(self.model, self.config.model)
        posterior = jax.tree.map(jnp.asarray, self.encode(x))
        return np.asarray(self._kl_terms(self.params, posterior, self._sampled(posterior, 0)))

    @property
    def corrupts(self) -> bool:
        """True if the run is a denoiser, which encodes corrupted images."""
        return self._corrupt is not None

    @property
    def standard_prior(self) -> bool:
        """True if there is a prior, and the z that is decoded is N(0, I) under it."""
        if self.model.sample_prior is None:
            return False
        z = self.model.sample_prior(self.params, jax.random.key(0), 100)
        return is_standard(float(jnp.abs(from_standard(self.model, self.params, z)).mean()), flat(z).shape[1])

    @cached_property
    def _point(self) -> Any:
        """The shapes of one latent point, as `decode` takes it."""

        def point(params: Params, x: Any) -> Any:
            return self.model.reparameterize(params, jax.random.key(0), self.model.encode(params, x))

        return jax.eval_shape(point, self.params, np.zeros((1, *self.shape), np.float32))

    def _sampled(self, posterior: Any, seed: int) -> Any:
        """Draw z from every posterior; each row has its own key, so it depends on its index alone."""
        keys = jax.random.split(jax.random.key(seed), len(jax.tree.leaves(posterior)[0]))
        return self._draw(self.params, keys, posterior)

    def _draw_one(self, params: Params, key: Any, row: Any) -> Any:
        z = self.model.reparameterize(params, key, jax.tree.map(lambda a: a[None], row))
        return jax.tree.map(lambda a: a[0], z)

    def _prior_one(self, params: Params, key: Any) -> Any:
        z = self.model.sample_prior(params, key, 1)  # pyright: ignore[reportOptionalCall]
        return jax.tree.map(lambda a: a[0], z)

    def _in_pieces(self, function: Any, rows: Any) -> Any:
        return in_pieces(partial(function, self.params), rows, self.config.eval.batch_size)

    def _as_images(self, x: np.ndarray) -> np.ndarray:
        return as_images(x, self.shape, any_range=self.corrupts)
