"""The arrays of an .npz or .npy file: found by name, checked, and read without unpickling anything."""

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from vae_jax.data.mapped import pieces_of
from vae_jax.errors import InputError

ARRAY_NAMES = {
    "train": (("images", "labels"), ("train_images", "train_labels"), ("x_train", "y_train")),
    "val": (("val_images", "val_labels"), ("x_val", "y_val")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""Part -> the names of its arrays (images, labels) in an .npz file; labels may be absent."""
ROUNDING = 1e-6
"""Floats may be outside [0, 1] by this much; they become 0 or 255 like 0 and 1."""


class Part(NamedTuple):
    """The arrays of a part: train, val or test."""

    name: str
    """The name of the images' array."""
    images: np.memmap
    """[N, H, W, C], mapped, uint8 or floats."""
    labels: np.ndarray | None
    """i64[N], or None if the file has none."""


def read_parts(at: str, file: Path, scratch: Path) -> dict[str, Part]:
    """Read a file: part (train, val or test) -> its arrays."""
    try:
        arrays = _unpack(file, scratch)
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        pickled = "Python objects" in str(error) or _starts_as_pickle(file)
        reason = f"not an .npz or .npy file ({error})"
        if isinstance(error, OSError) and error.strerror:
            reason = f"cannot be read: {error.strerror}"
        elif pickled:
            reason = "pickled Python objects are never loaded"
        raise InputError(f"{at}: {' '.join(reason.split())}") from error
    parts = {}
    for part, pairs in ARRAY_NAMES.items():
        here = [(images, labels) for images, labels in pairs if images in arrays]
        if len(here) > 1:
            raise InputError(f"{at}: both {here[0][0]} and {here[1][0]}; one of them")
        if here:
            images = _check_images(at, here[0][0], arrays[here[0][0]])
            labels = _check_labels(at, here[0][1], arrays.get(here[0][1]), len(images))
            parts[part] = Part(here[0][0], images, labels)
    if "train" not in parts:
        wanted = " or ".join(images for images, _ in ARRAY_NAMES["train"])
        raise InputError(f"{at}: holds {', '.join(arrays) or 'nothing'}, but no array named {wanted}")
    shapes = {part: images.shape[1:] for part, (_, images, _) in parts.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"{at}: images of different shapes: {', '.join(f'{p} {s}' for p, s in shapes.items())}")
    return parts


def _unpack(file: Path, scratch: Path) -> dict[str, Any]:
    """Return the arrays of a file as maps; an .npz is unpacked first. Arrays of other names are None."""
    if not zipfile.is_zipfile(file):
        return {"images": np.lib.format.open_memmap(file, mode="r")}  # never unpickles
    wanted = {name for pairs in ARRAY_NAMES.values() for pair in pairs for name in pair}
    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            name = member.removesuffix(".npy")
            if name in wanted:  # so that no name leads out of scratch
                with archive.open(member) as packed, (scratch / f"given_{name}.npy").open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
                arrays[name] = np.lib.format.open_memmap(scratch / f"given_{name}.npy", mode="r")
            else:
                arrays[name] = None
    return arrays


def _starts_as_pickle(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(1) == b"\x80"


def _check_images(at: str, name: str, images: Any) -> np.memmap:
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        mends = {"b": "save it times 255, as uint8", "i": "save it as uint8", "u": "save it as uint8"}
        mend = mends.get(images.dtype.kind, "save it as one of these")
        raise InputError(f"{at}: {name} is {images.dtype}; images are uint8, or floats in [0, 1]; {mend}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise InputError(f"{at}: {name} has shape {images.shape}; images are [N, H, W] or [N, H, W, C] with C 1 or 3")
    return images


def _check_labels(at: str, name: str, labels: np.ndarray | None, count: int) -> np.ndarray | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
        raise InputError(f"{at}: {name} is {labels.dtype} of shape {labels.shape}, not {count} whole numbers")
    return np.array(labels, np.int64).reshape(-1)


def read_images(at: str, part: Part, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "H W C"]]:
    """Yield the images of the given indices as uint8, in their order; floats are checked."""
    for image in _read(part.images, rows):
        if image.dtype == np.uint8:
            yield image
        elif image.min() >= -ROUNDING and image.max() <= 1 + ROUNDING:
            yield np.round(image.astype(np.float32) * 255).astype(np.uint8)
        else:  # NaN too
            raise InputError(f"{at}: {_describe_wrong(part)}")


def _describe_wrong(part: Part) -> str:
    """Say which float images cannot be used, and what to do; all of them are read."""
    wrong: list[int] = []
    broken: list[int] = []
    not_finite = {"NaN": 0, "inf": 0}
    low, high = np.inf, -np.inf
    for number, image in enumerate(image for piece in pieces_of(part.images) for image in piece):
        finite = image[np.isfinite(image)]
        not_finite["NaN"] += int(np.isnan(image).sum())
        not_finite["inf"] += int(np.isinf(image).sum())
        if finite.size:
            low, high = min(low, finite.min()), max(high, finite.max())
        if finite.size < image.size:
            broken.append(number)
        elif not (image.min() >= -ROUNDING and image.max() <= 1 + ROUNDING):
            wrong.append(number)
    bad = broken or wrong
    head = f"{len(bad)} of {len(part.images)} images cannot be used, the first is {part.name}[{bad[0]}]: "
    if broken:
        counts = " and ".join(f"{count} {name}" for name, count in not_finite.items() if count)
        return f"{head}{counts} among the floats"
    if -1 - ROUNDING <= low <= -0.5 and high <= 1 + ROUNDING:
        mend = "they look like -1 to 1: save (x + 1) / 2"
    elif low >= 0 and 2 < high <= 255:
        mend = "they look like 0 to 255: save x / 255, or x as uint8"
    else:
        mend = f"float images must be in [0, 1]; only {ROUNDING:g} of rounding is allowed"
    return f"{head}floats from {low!s} to {high!s}; {mend}"


def _read(images: np.memmap, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows of a map, by plain reads if it is in C order: pages read through a map stay in memory as long as it does."""
    if not images.flags.c_contiguous:
        yield from (images[row] for row in rows)
        return
    size = images[:1].nbytes
    with Path(str(images.filename)).open("rb") as stream:
        for row in rows:
            stream.seek(images.offset + int(row) * size)
            yield np.frombuffer(stream.read(size), images.dtype).reshape(images.shape[1:])
