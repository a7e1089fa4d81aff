"""The latent codes of the test images that are filmed while a run trains."""

import jax
import numpy as np
from jaxtyping import Array, Float, Int32, Shaped

from vae_jax.data.preprocess import unit
from vae_jax.models import given
from vae_jax.runs import latent_frames
from vae_jax.types import Model, Params, Split


def encode_filmed(family: Model, split: Split, batch_size: int) -> latent_frames.Encode:
    """Make a function (params) -> the noise-free z [M, F] of the filmed rows of a split, computed in batches."""
    images, labels = split
    rows = latent_frames.filmed_rows(len(images))

    @jax.jit
    def encode(params: Params, x: Shaped[Array, "B H W C"], labels: Int32[Array, " B"] | None) -> Float[Array, "B F"]:
        model = given(family, labels)
        return model.view(params, model.reparameterize(params, None, model.encode(params, unit(x))).z)

    def latents(params: Params) -> np.ndarray:
        batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
        classes = [None if family.given is None else labels[batch] for batch in batches]
        return np.concatenate([encode(params, images[b], y) for b, y in zip(batches, classes, strict=True)])

    return latents
