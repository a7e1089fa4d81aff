"""A finished or running workdir as an object, for notebooks and figures."""

import math
import os
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from vae_jax.data.preprocess import unit_interval
from vae_jax import config as config_lib
from vae_jax.runs import workdir as workdir_lib
from vae_jax.models.standard_normal import flat, from_standard, is_standard
from vae_jax.runs.checkpoint import Checkpoints
from vae_jax.system.compilation import keep_compiled
from vae_jax.data.mapped import unmap
from vae_jax.models import make_model
from vae_jax.objectives import make_corrupt
from vae_jax.config.registries import REGISTRIES
from vae_jax.runs.checkpoint.ownership import abstract_state, assert_own
from vae_jax.types import Config, Model, Params
from vae_jax.errors import InputError

Pixels = Float[np.ndarray, "N H W C"]
Which = Literal["best", "latest"]


class Run:
    """A trained model with its config; arrays in and out are numpy, images are [N, H, W, C].

    Attributes:
        config: the run's configuration.
        model: its pure functions.
        params: its parameters.
        shape: (H, W, C) of its images.
        step: the training step that the parameters come from.
    """

    def __init__(self, config: Config, model: Model, params: Params, shape: tuple[int, int, int], step: int) -> None:
        self.config, self.model, self.params, self.shape, self.step = config, model, params, shape, step
        self._encode = jax.jit(model.encode)
        self._decode = jax.jit(lambda params, z: model.pixel_mean(params, model.decode(params, z)))
        self._draw = jax.jit(jax.vmap(self._draw_one, in_axes=(None, 0, 0)))
        self._kl_terms = jax.jit(lambda params, *given: model.kl_terms(params, *given))  # pyright: ignore[reportOptionalCall]
        self._prior = jax.jit(jax.vmap(self._prior_one, in_axes=(None, 0)))

    def encode(self, x: np.ndarray) -> Any:
        """The posterior of images, with `mean` [N, Z] (and `logvar` for a VAE).

        Args:
            x: uint8, or floats in [0, 1] (a denoiser: any); [N, H, W, C], or [N, H, W] for grey images.

        Raises:
            InputError: the shape or the range is not that of the run's images.
        """
        return self._batched(self._encode, self._as_images(x))

    def decode(self, z: Any) -> Pixels:
        """Pixel means E[x|z] in [0, 1] of latent points z [N, Z], or of what a model of several layers has for a z."""
        return self._batched(self._decode, jax.tree.map(lambda a: np.asarray(a, np.float32), z))

    def reconstruct(self, x: np.ndarray) -> Pixels:
        """Images decoded from their own posterior means; x as for `encode`. A denoiser takes what `corrupt` returns."""
        return self.decode(self.encode(x).mean)

    def corrupt(self, x: np.ndarray, seed: int = 0) -> Pixels:
        """Images with the noise of a denoiser's input, not clipped; x as for `encode`.

        Raises:
            InputError: the run's objective encodes the images as they are.
        """
        corrupt = make_corrupt(self.config)
        if corrupt is None:
            raise InputError(f"objective={self.config.objective}: does not corrupt its input; choices: denoising")
        return np.asarray(corrupt(jax.random.key(seed), jnp.asarray(_unit(self._as_images(x)))))

    def sample(self, n: int, seed: int = 0) -> Pixels:
        """Pixel means of n draws from the prior; the first of n are those of a smaller n.

        Raises:
            InputError: the model has no prior.
        """
        self._needs_prior()
        return self.decode(self._prior(self.params, jax.random.split(jax.random.key(seed), n)))

    def sample_posterior(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """One z [N, Z] drawn from the posterior of every image; x as for `encode`. Of several layers that of the last, whose
        prior is the standard normal.

        Raises:
            InputError: the model has no prior, so its posteriors are points.
        """
        self._needs_prior()
        return np.asarray(jax.tree.leaves(self._sampled(self.encode(x), seed))[-1])

    def kl_terms(self, x: np.ndarray) -> Float[np.ndarray, "N K"]:
        """KL(q(z|x) || p(z)) of every image, nats for each latent dimension; x as for `encode`.

        Raises:
            InputError: the model has no prior.
        """
        self._needs_prior()
        posterior = jax.tree.map(jnp.asarray, self.encode(x))
        return np.asarray(self._kl_terms(self.params, posterior, self._sampled(posterior, 0)))

    @property
    def standard_prior(self) -> bool:
        """Whether the z that is decoded is N(0, I) under the prior; without a prior it is not."""
        if self.model.sample_prior is None:
            return False
        z = self.model.sample_prior(self.params, jax.random.key(0), 100)
        return is_standard(float(jnp.abs(from_standard(self.model, self.params, z)).mean()), flat(z).shape[1])

    def _sampled(self, posterior: Any, seed: int) -> Any:
        """z of every posterior; each row has a key of its own, so a row depends on its place alone."""
        keys = jax.random.split(jax.random.key(seed), len(jax.tree.leaves(posterior)[0]))
        return self._draw(self.params, keys, posterior)

    def _draw_one(self, params: Params, key: Any, row: Any) -> Any:
        z = self.model.reparameterize(params, key, jax.tree.map(lambda a: a[None], row))
        return jax.tree.map(lambda a: a[0], z)

    def _prior_one(self, params: Params, key: Any) -> Any:
        z = self.model.sample_prior(params, key, 1)  # pyright: ignore[reportOptionalCall]
        return jax.tree.map(lambda a: a[0], z)

    def _needs_prior(self) -> None:
        if self.model.log_prior is None:
            raise InputError(
                f"model={self.config.model}: has no prior to sample from; choices: a variational model, as vae"
            )

    def _batched(self, function: Any, rows: Any) -> Any:
        count = len(jax.tree.leaves(rows)[0])
        # Padded to a power of 8, so that few sizes are compiled.
        size = min(self.config.eval.batch_size, 8 ** math.ceil(math.log(max(count, 1), 8)))

        def piece(rows: np.ndarray, start: int) -> np.ndarray:
            part = _unit(rows[start : start + size])
            unmap(rows)
            return np.pad(part, [(0, size - len(part)), *[(0, 0)] * (rows.ndim - 1)])

        pieces = []
        for start in range(0, max(count, 1), size):
            parts = jax.tree.map(lambda a, start=start: piece(a, start), rows)
            pieces.append(jax.device_get(function(self.params, parts)))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *pieces)

    def _as_images(self, x: np.ndarray) -> np.ndarray:
        """The images as uint8, or checked and as float32."""
        x = np.asarray(x)
        if x.ndim == 3 and self.shape[2] == 1:
            x = x[..., None]
        if x.shape[1:] != self.shape:
            raise InputError(f"x has shape {x.shape}; the run's images are [N, {', '.join(map(str, self.shape))}]")
        if x.dtype == np.uint8:
            return x
        x = x.astype(np.float32)
        if x.size and make_corrupt(self.config) is None and not (x.min() >= 0 and x.max() <= 1):
            raise InputError(f"x lies in [{x.min():g}, {x.max():g}]; float images lie in [0, 1], others are uint8")
        return x


def _unit(x: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1] of uint8, others as they are; a few images at a time, since floats take four times the memory."""
    return unit_interval(x) if x.dtype == np.uint8 else x


def load_run(workdir: str | Path, which: Which = "best") -> Run:
    """Load a run for looking at: its config, model, parameters and jitted functions. Nothing is written.

    Args:
        workdir: the run's directory.
        which: the checkpoint with the best validation metric, or the latest.

    Raises:
        InputError: not a run, or one without an intact checkpoint, or of a config that this version does not know; `which`
            is neither.

    Example:
        >>> import vae_jax
        >>> run = vae_jax.load_run(workdir)
        >>> run.config.dataset, run.shape
        ('digits', (8, 8, 1))
        >>> images = run.sample(4, seed=1)
        >>> images.shape
        (4, 8, 8, 1)
        >>> run.encode(images).mean.shape == (4, run.config.latent_dim)
        True
        >>> bool(abs(run.reconstruct(images) - images).mean() < 0.5)
        True
    """
    if which not in get_args(Which):
        raise InputError(f"which={which}: no such checkpoint; choices: {', '.join(get_args(Which))}")
    workdir = Path(os.path.expanduser(workdir))
    config = config_lib.validate(workdir_lib.read_config(workdir), REGISTRIES)
    keep_compiled(config)
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        restored = checkpoints.restore(None, which)
        if restored is None:
            raise InputError(
                f"--workdir={workdir}: the run has no checkpoint yet; continue it: {workdir_lib.continue_command(workdir)}"
            )
        assert_own(restored, config, ["shape"])
        shape = tuple(restored.info["shape"])
        model = make_model(config, shape)
        restored = checkpoints.restore(abstract_state(config, model, shape), step=restored.step)
    assert restored is not None
    return Run(config, model, restored.state.params, shape, restored.step)
