"""Single images: resized, turned grey."""

import numpy as np
from jaxtyping import UInt8

Size = tuple[int, ...]
"""(height, width), or () to leave images as they are."""


def fit_image(image: UInt8[np.ndarray, "h w c"], size: Size, grayscale: bool) -> UInt8[np.ndarray, "H W C"]:
    """The image with the given height and width (antialiased bilinear), and with one channel if `grayscale`."""
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
    """`fit_image` for every image of a stack; the stack itself where nothing changes."""
    if not size and not grayscale:
        return images
    return np.stack([fit_image(image, size, grayscale) for image in images])
