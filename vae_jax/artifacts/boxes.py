"""The image boxes of a figure, read from its PNG file without Matplotlib."""

import io
import json
import math

KEY = "image boxes"
"""The key of the PNG text that the figures write; see `figures.pixels`."""


def read_boxes(png: bytes) -> list[list[float]]:
    """Return [left, top, width, height] of each part of a figure that shows images, in parts of the picture.

    A dark page inverts a chart, which has none, and leaves these parts as they are. A file without boxes, or a damaged list,
    has none.
    """
    # Here, not above: Pillow is a part of the start-up time.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png)) as image:
            boxes = json.loads(getattr(image, "text", {}).get(KEY, "[]"))
        found = [[float(side) for side in box] for box in boxes if len(box) == 4]
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return []
    # JSON in Python knows Infinity and NaN, and the JSON of a page in a browser does not.
    return found if all(math.isfinite(side) for box in found for side in box) else []
