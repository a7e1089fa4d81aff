"""A finished Figure as PNG bytes or as pixels, so that no other package needs matplotlib."""

import io
import json

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vae_jax.artifacts.figures.pixels import BOXES, image_boxes
from vae_jax.artifacts.figures.style import default_style

STEP = "step"
"""The key of the PNG text with the training step of the parameters that a figure was drawn from."""
LARGE = 150_000
"""The bytes above which a PNG is reduced to 256 colours: a README with ten pictures must still load."""


def png_bytes(figure: Figure, step: int | None = None) -> bytes:
    """Return the figure as a PNG file's bytes; the same figure gives the same bytes (no date, no version in them).

    Pictures of more than 150 kB (dense scatters, colour photographs) are reduced to the 256 colours that fit them best. The
    parts that show images are listed in the file, see `pixels`, and so is the training step that it shows, if it is given.
    """
    image = Image.fromarray(rgb(figure))
    full = _png(image, figure, step)
    return full if len(full) <= LARGE else _png(image.quantize(256, Image.Quantize.MEDIANCUT), figure, step)


@default_style()
def rgb(figure: Figure) -> UInt8[np.ndarray, "H W 3"]:
    """Return the figure's pixels, 0 to 255."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def image_png(image: Float[np.ndarray, "H W C"]) -> bytes:
    """Return an image in [0, 1] as a PNG file's bytes, at its own size; C = 1 is grey."""
    pixels = (np.clip(np.nan_to_num(image), 0, 1) * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels.mean(-1).astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def as_files(name: str, drawn: Figure | list[Figure] | bytes, step: int | None = None) -> dict[str, bytes]:
    """Return file name -> content: NAME.png; NAME_1.png, ... for several pages; NAME.gif for bytes. See `png_bytes`."""
    if isinstance(drawn, bytes):
        return {f"{name}.gif": drawn}
    pages = drawn if isinstance(drawn, list) else [drawn]
    names = [name] if len(pages) == 1 else [f"{name}_{i + 1}" for i in range(len(pages))]
    return {f"{file}.png": png_bytes(page, step) for file, page in zip(names, pages, strict=True)}


def _png(image: Image.Image, figure: Figure, step: int | None) -> bytes:
    buffer, info, boxes = io.BytesIO(), PngInfo(), image_boxes(figure)
    if boxes:
        info.add_text(BOXES, json.dumps(boxes))
    if step is not None:
        info.add_text(STEP, str(step))
    image.save(buffer, "png", optimize=True, dpi=(figure.dpi, figure.dpi), pnginfo=info)
    return buffer.getvalue()
