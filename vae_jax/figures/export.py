"""A finished Figure as PNG bytes or as pixels, so that no other room needs matplotlib."""

import io

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

LARGE = 150_000
"""Bytes above which a PNG is reduced to 256 colours: a README with ten pictures must still load."""


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file's bytes; the same figure gives the same bytes (no date, no version in them).

    Pictures of more than 150 kB (dense scatters, colour photographs) are reduced to the 256 colours that fit them best.
    """
    image = Image.fromarray(rgb(figure))
    full = _png(image, figure.dpi)
    return full if len(full) <= LARGE else _png(image.quantize(256, Image.Quantize.MEDIANCUT), figure.dpi)


def rgb(figure: Figure) -> UInt8[np.ndarray, "H W 3"]:
    """The figure's pixels, 0 to 255, for TensorBoard."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _png(image: Image.Image, dpi: float) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True, dpi=(dpi, dpi))
    return buffer.getvalue()
