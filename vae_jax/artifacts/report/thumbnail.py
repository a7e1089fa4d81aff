"""A small picture of a run, cut out of one of its figures."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from vae_jax.artifacts.boxes import KEY
from vae_jax.artifacts.report.page import data_url

FIGURES = ("samples", "reconstructions")
"""The figures that a thumbnail is cut from; the first that is there."""
SIZE = 96
"""The pixels of its side."""
WHITE, FULL = 250, 0.3
"""The shade from which a pixel is paper, and the share of other pixels from which a row or column shows images."""
# A broken PNG raises SyntaxError; the last three are of boxes that are no list, infinite, or nested without end.
DAMAGES = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, TypeError, OverflowError, RecursionError)


def thumbnail(workdir: Path) -> str:
    """Return a picture of some kB as an address, or nothing if there is no figure, or a damaged one."""
    for name in FIGURES:
        path = workdir / "figures" / f"{name}.png"
        try:
            with Image.open(path) as figure:
                picture = figure.convert("RGB").crop(_part(figure))
        except DAMAGES:
            continue
        buffer = io.BytesIO()
        picture.resize((SIZE, SIZE), Image.Resampling.BOX).save(buffer, "WEBP", quality=70)
        return data_url("image/webp", buffer.getvalue())
    return ""


def _part(figure: Image.Image) -> tuple[int, int, int, int]:
    """Return a square at the upper left of the figure's images: half of a square of images, or the height of a strip."""
    left, top, right, bottom = _images(figure)
    side = bottom - top if right - left > 2 * (bottom - top) else min(right - left, bottom - top) // 2
    side = max(1, side)
    return left, top, left + side, top + side


def _images(figure: Image.Image) -> tuple[int, int, int, int]:
    """Return the box of the images in a figure: as it says itself, or else the rows and columns that are not white."""
    width, height = figure.size
    boxes = np.array(json.loads(getattr(figure, "text", {}).get(KEY, "[]")), np.float64).reshape(-1, 4)
    if np.abs(boxes).max(initial=0) > 2:
        raise ValueError("the boxes are not parts of the figure")
    if len(boxes):
        low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
        return round(low[0] * width), round(low[1] * height), round(high[0] * width), round(high[1] * height)
    drawn = np.asarray(figure.convert("L")) < WHITE
    rows, columns = (np.flatnonzero(drawn.mean(axis=axis) > FULL) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return 0, 0, width, height
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
