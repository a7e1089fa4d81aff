"""The image boxes of a figure, and the step that it shows, read from its PNG file without Matplotlib."""

import io
import json
import math
from typing import Any

KEY = "image boxes"
"""The key of the PNG text that the figures write; see `figures.pixels`."""
STEP = "step"
"""The key of the PNG text with the step; see `figures.files`."""


def read_boxes(png: bytes) -> list[list[float]]:
    """Return [left, top, width, height] of each part of a figure that shows images, in parts of the picture.

    A dark page inverts a chart, which has none, and leaves these parts as they are. A file without boxes, or a damaged list,
    has none.
    """
    try:
        boxes = json.loads(_text(png).get(KEY, "[]"))
        found = [[float(side) for side in box] for box in boxes if len(box) == 4]
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return []
    # JSON in Python knows Infinity and NaN, and the JSON of a page in a browser does not.
    return found if all(math.isfinite(side) for box in found for side in box) else []


def read_step(png: bytes) -> int | None:
    """Return the step that a figure shows; None: the file does not say it."""
    try:
        return int(_text(png)[STEP])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _text(png: bytes) -> dict[str, Any]:
    """Return what precedes the pixels of a picture, which are not decoded."""
    # Here, not above: Pillow is a part of the start-up time.
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return {str(name): value for name, value in image.info.items()}
