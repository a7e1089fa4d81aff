"""A warning for training images that are nearly black, usually because their pixels do not use the whole range."""

import numpy as np
from jaxtyping import UInt8

from vae_jax.data.lazy import HostImages
from vae_jax.data.mapped import pieces_of
from vae_jax.types import Config, Dataset

DARKEST = 32
"""Images are nearly black if no pixel reaches this value."""
_BLOCK = 2**22  # bytes read at once: images that use the range are recognised in the first block


def dark_notice(config: Config, dataset: Dataset) -> str | None:
    """Return a line that says how to mend training images whose pixels are all below DARKEST, or None."""
    if dataset.train.images.dtype != np.uint8:
        return None  # codes
    top = _largest(dataset.train.images if dataset.grey is None else dataset.grey)
    if top >= DARKEST:
        return None
    line = f"dataset={config.dataset}: the largest pixel of the training images is {top} of 255"
    mend = {0: ": they are black", 1: ", nearly black; if they are masks of 0 and 1, multiply them by 255"}
    line += mend.get(top, ", nearly black; scale them to 0 to 255")
    if config.dataset == "folder":
        line += "; 16-bit files must use 0 to 65535"
    return line + (", or save them as floats" if top == 1 and config.dataset == "arrays" else "")


def _largest(images: UInt8[HostImages, "N H W C"]) -> int:
    """Return the largest pixel, or the first block's largest that reaches DARKEST; the other blocks are not read."""
    top = 0
    for piece in pieces_of(images, max(1, _BLOCK * len(images) // images.nbytes)):
        top = max(top, int(piece.max()))
        if top >= DARKEST:
            break
    return top
