"""The latent codes of the test images that are filmed while a run trains."""

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from vae_jax.data.preprocess import unit
from vae_jax.runs import latent_frames
from vae_jax.types import Model, Params


def encode_filmed(model: Model, images: UInt8[np.ndarray, "N H W C"], batch_size: int) -> latent_frames.Encode:
    """Make a function (params) -> the noise-free z [M, F] of the filmed rows of `images`, computed in batches."""
    rows = latent_frames.filmed_rows(len(images))

    @jax.jit
    def encode(params: Params, x: UInt8[Array, "B H W C"]) -> Float[Array, "B F"]:
        return model.view(params, model.reparameterize(params, None, model.encode(params, unit(x))).z)

    def latents(params: Params) -> np.ndarray:
        starts = range(0, len(rows), batch_size)
        return np.concatenate([encode(params, images[rows[i : i + batch_size]]) for i in starts])

    return latents
