"""The latent codes of the test images that are filmed while a run trains."""

import jax
import numpy as np
from jaxtyping import UInt8

from vae_jax.data.preprocess import unit
from vae_jax.runs import latent_frames
from vae_jax.types import Model, Params


def encode_filmed(model: Model, images: UInt8[np.ndarray, "N H W C"], batch_size: int) -> latent_frames.Encode:
    """Make a function (params) -> posterior means [M, Z] of the filmed rows of `images`, computed in batches."""
    rows = latent_frames.filmed_rows(len(images))
    encode = jax.jit(lambda params, x: model.encode(params, unit(x)).mean)

    def means(params: Params) -> np.ndarray:
        starts = range(0, len(rows), batch_size)
        return np.concatenate([encode(params, images[rows[i : i + batch_size]]) for i in starts])

    return means
