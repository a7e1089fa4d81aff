"""Single images: resized, turned grey, stored as PNG."""

import io

import numpy as np
from jaxtyping import UInt8

Size = tuple[int, ...]
"""(height, width), or () to leave images as they are."""


def fit_image(image: UInt8[np.ndarray, "h w c"], size: Size, grayscale: bool) -> UInt8[np.ndarray, "H W C"]:
    """Resize an image to the given height and width (antialiased bilinear), and convert it to one channel if `grayscale`."""
    from PIL import Image

    turn_grey = grayscale and image.shape[-1] > 1
    if not turn_grey and (not size or image.shape[:2] == size):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if turn_grey:
        picture = picture.convert("L")
    if size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def fit_images(images: UInt8[np.ndarray, "N h w c"], size: Size, grayscale: bool) -> UInt8[np.ndarray, "N H W C"]:
    """Apply `fit_image` to every image of a stack; return the stack itself if nothing changes."""
    if not size and not grayscale:
        return images
    return np.stack([fit_image(image, size, grayscale) for image in images])


def to_png(image: UInt8[np.ndarray, "H W C"]) -> io.BytesIO:
    """Return an image as a PNG file, to be read from its beginning; nothing is lost."""
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(png, "png", compress_level=1)
    png.seek(0)
    return png
