"""The grey levels of a data set: the fewest equally spaced values that contain all its pixels."""

import numpy as np

from vae_jax.data.mapped import pieces_of
from vae_jax.errors import InputError
from vae_jax.types import Config, Dataset

MOST = 256
"""The number of values of a stored pixel, which contain those of every image."""
_BLOCK = 2**22  # bytes read at once: 8-bit images are recognised in the first block


def levels_of(dataset: Dataset, config: Config) -> int:
    """Return the smallest number L of levels that contain every pixel of the three splits, which are read once.

    The stored pixels of L levels are round(255 k / (L - 1)), k = 0 to L - 1.

    Raises:
        InputError: `config.levels.number` is given, and some pixel is between its levels.
    """
    fitting, given = _fitting(dataset), config.levels.number
    if given and given not in fitting:
        first, *more = fitting
        larger = "".join(f", {number}" for number in more[:2]) + (f", ..., {MOST}" if len(more) > 2 else "")
        raise InputError(
            f"levels.number={given}: likelihood={config.likelihood} needs a level for every pixel, and the images of "
            f"dataset={config.dataset} have {first}; choices: 0 (as many as the data), {first}{larger}"
        )
    return fitting[0]


def _fitting(dataset: Dataset) -> list[int]:
    """Return the numbers of levels, 2 to 256, that contain every pixel."""
    fitting = list(range(2, MOST + 1))
    for split in dataset[:3]:
        for piece in pieces_of(split.images, max(1, _BLOCK * len(split.images) // split.images.nbytes)):
            seen = np.bincount(piece.ravel(), minlength=256) > 0
            fitting = [number for number in fitting if not (seen & ~_stored(number)).any()]
            if fitting == [MOST]:
                return fitting
    return fitting


def _stored(number: int) -> np.ndarray:
    """Return bool[256], True at the stored pixels of so many levels."""
    found = np.zeros(256, bool)
    found[np.round(255 * np.arange(number) / (number - 1)).astype(int)] = True
    return found
