"""The encoder of latent frames: posterior means of the same few images, computed again and again during training."""

import jax
import numpy as np
from jaxtyping import Float, UInt8

from vae_jax.data.preprocess import unit_interval
from vae_jax.runs import latent_frames
from vae_jax.types import Model, Params


def make_encode_frame(model: Model, images: UInt8[np.ndarray, "N H W C"], batch_size: int) -> latent_frames.Encode:
    """Make a function (params) -> posterior means [M, Z] of the images that `latent_frames.filmed_rows` selects from a split."""
    rows = latent_frames.filmed_rows(len(images))
    encode = jax.jit(lambda params, x: model.encode(params, unit_interval(x)).mean)

    def encode_frame(params: Params) -> Float[np.ndarray, "M Z"]:
        starts = range(0, len(rows), batch_size)
        return np.concatenate([encode(params, images[rows[start : start + batch_size]]) for start in starts])

    return encode_frame
