"""One image file, of any of the usual formats and pixel types, as 8-bit pixels."""

import contextlib
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from vae_jax.data.images import Size

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
"""The extensions of image files, in lower case."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")  # no other decoder may run, whatever a file calls itself
_DEEP = ("I", "F")  # modes of more than 8 bits: I, I;16, I;16B, F
_LIGHTNESS = ("1", "L", "LA", "La")
_LARGE = 2**24
_one_large = threading.Lock()
"""Held while an image of more than _LARGE pixels is decoded: one at PIL's limit takes several 100 MB, in each thread."""


class BrokenImageError(Exception):
    """The reason why a file cannot be used, in a few words."""


class Decoded(NamedTuple):
    """An image file, decoded."""

    pixels: UInt8[np.ndarray, "H W C"]
    several: bool
    """True if the file has further pages or frames; the pixels are those of the first."""


def are_grey(files: Iterable[Path]) -> bool:
    """Return True if no file's header declares colours; files that cannot be opened do not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return all(map(_is_grey, files))


def _is_grey(file: Path) -> bool:
    try:
        with _open(file) as picture:
            return picture.mode in _LIGHTNESS or picture.mode.startswith(_DEEP)
    except BrokenImageError:
        return True


def decode(file: Path, size: Size, channels: int, background: str) -> Decoded:
    """Decode an image file, turned upright by its EXIF orientation; if it has several pages or frames, the first.

    Args:
        file: png, jpeg, bmp, gif, webp or tiff, whatever its name.
        size: (height, width) to fit it to, antialiased, without regard to its proportions; () as it is.
        channels: 1 (grey) or 3 (colour).
        background: "black" or "white", what transparent pixels show.

    16 bits are scaled to 8 over their whole range; floats must be in [0, 1].

    Raises:
        BrokenImageError: not an image, damaged, or larger than PIL's limit against decompression bombs.
    """
    from PIL import Image

    with _open(file) as picture, _one_large if picture.width * picture.height > _LARGE else contextlib.nullcontext():
        try:
            if size:
                # a jpeg may decode at a fraction of its size: still twice what is wanted, so that resizing smooths
                picture.draft(None, (2 * max(size), 2 * max(size)))
            picture.load()
            flat = _in_mode(_flatten(_eight_bit(_upright(picture)), background), "L" if channels == 1 else "RGB")
            if size:
                flat = flat.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return Decoded(np.asarray(flat).reshape(flat.height, flat.width, channels), _has_several(picture))
        except Exception as error:  # PIL lets through whatever its many decoders raise
            raise BrokenImageError(_reason(error)) from error


def _upright(picture: Any) -> Any:
    """Turn a picture upright by its EXIF orientation. PIL's own function rewrites all EXIF and fails at any odd entry."""
    from PIL import ExifTags, Image

    turns = Image.Transpose
    ways = [turns.FLIP_LEFT_RIGHT, turns.ROTATE_180, turns.FLIP_TOP_BOTTOM, turns.TRANSPOSE, turns.ROTATE_270]
    ways += [turns.TRANSVERSE, turns.ROTATE_90]
    orientation = picture.getexif().get(ExifTags.Base.Orientation)
    return picture.transpose(ways[orientation - 2]) if orientation in range(2, 9) else picture


def num_pages(file: Path) -> int:
    """Count the pages or frames of a file that has several, which is slow for an animation; 2 if a later one is damaged."""
    try:
        with _open(file) as picture:
            return picture.n_frames
    except Exception:
        return 2


def _has_several(picture: Any) -> bool:
    """Return True if a decoded picture has further pages. Those in a photograph (MPO) are previews and depth maps."""
    try:
        return picture.format != "MPO" and getattr(picture, "is_animated", False)
    except Exception:  # a damaged page that is not used
        return False


def _open(file: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        if not file.stat().st_size:
            raise BrokenImageError("an empty file")
        picture = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        raise BrokenImageError("not an image") from None
    except BrokenImageError:
        raise
    except Exception as error:
        raise BrokenImageError(_reason(error)) from error
    limit = Image.MAX_IMAGE_PIXELS  # PIL itself refuses only from twice this on
    if limit is not None and picture.width * picture.height > limit:
        picture.close()
        raise BrokenImageError(f"{picture.width} x {picture.height} pixels: more than the limit of {limit}")
    return picture


def _reason(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, BrokenImageError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the limit of {Image.MAX_IMAGE_PIXELS}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _eight_bit(picture: Any) -> Any:
    from PIL import Image

    if not picture.mode.startswith(_DEEP):
        return picture
    pixels = np.asarray(picture)
    top = 1 if picture.mode == "F" else 65535
    if not (pixels.min() >= 0 and pixels.max() <= top):  # not: NaN fails too
        raise BrokenImageError(f"pixels of {pixels.dtype} outside 0 to {top}")
    return Image.fromarray(np.round(pixels * np.float64(255 / top)).astype(np.uint8))


def _flatten(picture: Any, background: str) -> Any:
    """The picture in L or RGB, transparent parts over the background."""
    from PIL import Image

    if picture.has_transparency_data:
        over = Image.new("RGBA", picture.size, background)
        return Image.alpha_composite(over, picture.convert("RGBA")).convert("RGB")
    return _in_mode(picture, "L" if picture.mode in ("1", "L") else "RGB")


def _in_mode(picture: Any, mode: str) -> Any:
    return picture if picture.mode == mode else picture.convert(mode)  # which would copy one that has the mode
