"""The parts of a figure that show images, which a dark page must not invert; a PNG file lists them under BOXES."""

import json

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BOXES = "image boxes"
"""The key of the PNG text that lists the boxes, as JSON: [left, top, width, height] in parts of the picture."""
DIGITS = 5

Box = tuple[float, float, float, float]


def mark_images(axes: Axes, boxes: list[Box]) -> None:
    """Note that parts of the axes show images: boxes (left, top, width, height) in parts of the axes, from the top left."""
    axes.set_gid(json.dumps(boxes))


def image_boxes(figure: Figure) -> list[Box]:
    """Return the boxes of a drawn figure's images, in parts of the figure, from the top left; none of a chart."""
    found = []
    for axes in figure.axes:
        place = axes.get_position()
        for left, top, width, height in json.loads(axes.get_gid() or "[]"):
            x, y = place.x0 + left * place.width, 1 - place.y1 + top * place.height
            found.append((x, y, width * place.width, height * place.height))
    return [tuple(round(side, DIGITS) for side in box) for box in found]


def rectangles(covered: Bool[np.ndarray, "h w"]) -> list[Box]:
    """Return the rectangles that cover the True pixels, in parts of the whole.

    Each is a run of pixels of a row, extended down over the rows that have the very same run.
    """
    high, wide = covered.shape
    changed = [0, *(np.flatnonzero((covered[1:] != covered[:-1]).any(axis=1)) + 1).tolist(), high]
    open_runs: dict[tuple[int, int], int] = {}
    found = []
    for row in changed:
        runs = _runs(covered[row]) if row < high else []
        for run in [run for run in open_runs if run not in runs]:
            found.append((run, open_runs.pop(run), row))
        for run in runs:
            open_runs.setdefault(run, row)
    return [(a / wide, top / high, (b - a) / wide, (end - top) / high) for (a, b), top, end in found]


def _runs(row: Bool[np.ndarray, " w"]) -> list[tuple[int, int]]:
    """Return (start, end) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
