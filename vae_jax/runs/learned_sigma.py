"""The learned standard deviation of pixels."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from vae_jax.models import given
from vae_jax.runs.pieces import in_pieces
from vae_jax.runs.run import Run


def pixel_sigma(run: Run, x: np.ndarray, labels: Any = None) -> Float[np.ndarray, "N H W C"]:
    """Return the standard deviation that the likelihood of a run has learned, of every pixel given the noise-free z of images.

    Args:
        run: its likelihood has a `sigma`.
        x: uint8 images [N, H, W, C].
        labels: their classes, for a conditional run.
    """
    sigma = run.model.likelihood.sigma
    assert sigma is not None

    def of_rows(rows: Any) -> Any:
        model = given(run.model, rows[1])
        z = model.reparameterize(run.params, None, model.encode(run.params, rows[0])).z
        return sigma(run.params["likelihood"], model.decode(run.params, z))

    return in_pieces(jax.jit(of_rows), run.with_labels(x, labels), run.config.eval.batch_size)
