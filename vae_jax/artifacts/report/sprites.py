"""Images for the page: many small ones in one picture, and the framing of the data's images."""

import io
import math
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from vae_jax.artifacts.report.page import data_url
from vae_jax.data.preprocess import unit

LARGEST_TILE = 64
"""The most pixels of a tile's side; larger images are scaled down."""
QUALITY = 85
"""The JPEG quality of colour pictures; grey ones are lossless, and small."""
FAINTEST_INK = 0.2
"""The share of the range between background and brightest from which a pixel counts as ink."""
PLAIN_SHARE, PLAIN_REACH = 0.5, 0.05
"""The share of border pixels that must be near one colour for it to be the background, of a drawing too."""


def tile_size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """Return the size (h, w) of the tiles for images of shape (H, W, C)."""
    scale = min(1.0, LARGEST_TILE / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def sheet(images: UInt8[np.ndarray, "N H W C"], columns: int = 0, lossless: bool = False) -> dict[str, Any]:
    """Return all images in one picture, row by row: {url, columns, tile: [h, w]}; columns=0: about as many as rows.

    Colour pictures are compressed with loss unless `lossless`, which tiles of a few pixels need.
    """
    height, width = tile_size(images.shape[1:])
    columns = columns or max(1, math.isqrt(len(images)))
    rows = -(-len(images) // columns)
    canvas = np.zeros((rows * height, columns * width, 3 if images.shape[3] == 3 else 1), np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + height, x : x + width] = _resized(image, (height, width))
    lossy = canvas.shape[2] == 3 and not lossless
    buffer = io.BytesIO()
    picture = Image.fromarray(canvas if canvas.shape[2] == 3 else canvas[..., 0])
    picture.save(buffer, **({"format": "WEBP", "quality": QUALITY} if lossy else {"format": "PNG", "optimize": True}))
    return {
        "url": data_url("image/webp" if lossy else "image/png", buffer.getvalue()),
        "columns": columns,
        "tile": [height, width],
    }


def _resized(image: UInt8[np.ndarray, "H W C"], size: tuple[int, int]) -> UInt8[np.ndarray, "h w c"]:
    image = image if image.shape[2] in (1, 3) else image[..., :1]
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BOX)).reshape(*size, -1)


def framing(images: UInt8[np.ndarray, "N H W C"]) -> dict[str, Any] | None:
    """Return the placement of ink in the images, so that a drawing can be placed alike; None without a plain background.

    Returns:
        background [C], in [0, 1]; extent, the mean longer side of the ink, in pixels; centre [y, x], its mean centre of mass, in
        pixels from the upper left corner.
    """
    x = unit(images)
    border = np.concatenate([part.reshape(-1, x.shape[3]) for part in (x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1])])
    background = np.median(border, axis=0)
    if float((np.abs(border - background).max(axis=1) < PLAIN_REACH).mean()) < PLAIN_SHARE:
        return None
    ink = np.abs(x - background).mean(axis=3)
    boxes = [box for box in map(_box, ink) if box is not None]
    if not boxes:
        return None
    extents, centres = zip(*boxes, strict=True)
    centre = np.mean(centres, axis=0)
    return {"background": background.tolist(), "extent": float(np.mean(extents)), "centre": centre.tolist()}


def _box(ink: Float[np.ndarray, "H W"]) -> tuple[int, tuple[float, float]] | None:
    """Return (longer side, centre of mass) of an image's ink, or None for an empty image."""
    drawn = ink > FAINTEST_INK * max(float(ink.max()), FAINTEST_INK)
    if not drawn.any():
        return None
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    weight = ink / ink.sum()
    centre = [float((np.arange(n) + 0.5) @ weight.sum(axis=other)) for n, other in zip(ink.shape, (1, 0), strict=True)]
    return int(max(np.ptp(rows), np.ptp(columns))) + 1, (centre[0], centre[1])
