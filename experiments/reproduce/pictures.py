"""Pictures of the studies: rows of images with their names."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float


def rows_of_images(rows: Mapping[str, Float[np.ndarray, "N H W C"]], title: str) -> bytes:
    """Draw rows of as many images in [0, 1], each with its name at its left, as a PNG."""
    from vae_jax.artifacts.figures import png_bytes
    from vae_jax.artifacts.figures.grid import MARGIN, WIDTH, framed, grid, label_room, label_rows

    names, left = [*rows], label_room([*rows])
    columns = len(next(iter(rows.values())))
    picture = grid([*rows.values()], columns, WIDTH - left - MARGIN)
    figure = framed(picture, title, left)
    label_rows(figure, picture, names, left)
    return png_bytes(figure)
