"""Images from a person's own .npz or .npy file."""

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vae_jax.data import splits
from vae_jax.data.allotment import Allotment, allot
from vae_jax.data.cache import load_cached
from vae_jax.data.images import fit_image
from vae_jax.data.mapped import write_rows
from vae_jax.data.source import Source
from vae_jax.errors import InputError
from vae_jax.system.cache_folder import cache_root
from vae_jax.types import Config, Split

ARRAY_NAMES = {
    "train": (("images", "labels"), ("train_images", "train_labels"), ("x_train", "y_train")),
    "val": (("val_images", "val_labels"), ("x_val", "y_val")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""Part -> names that its arrays of images and of labels may have in an .npz file; labels may be absent."""


def load_arrays(config: Config) -> Source:
    """Images u8[N, H, W, C] of the file `data_dir`: an .npz with the arrays of ARRAY_NAMES, or an .npy of images.

    Images are [N, H, W] or [N, H, W, 1 or 3], uint8 or floats in [0, 1]; labels are whole numbers, [N] or [N, 1].
    `split` applies as to folders. Without it, what lacks is cut as for the digits: a test split of 20%, and val_fraction.

    Raises:
        InputError: not such a file; parts and `split` that fit no rule; a split that would be empty.
    """
    at, file = f"data_dir={config.data_dir}", Path(config.data_dir).expanduser()
    if not os.path.isfile(file):  # Path's own raises in a folder that must not be read
        raise InputError(
            f"{at}: {'not a file' if os.path.exists(file) else 'no such file'}; dataset=arrays reads an .npz or .npy"
        )
    names = ("split", "split_target", "split_seed", "val_fraction", "image_size", "grayscale")
    status = file.stat()
    key = {
        "source": "arrays",
        "version": "1",
        "file": [str(file.resolve()), status.st_size, status.st_mtime_ns],
        "options": {name: config[name] for name in names},
    }
    return load_cached(cache_root(config), "arrays", key, lambda scratch: _build(config, at, file, scratch))


def _build(config: Config, at: str, file: Path, scratch: Path) -> Source:
    parts = _parts(at, file, scratch)
    values = [labels for _, labels in parts.values() if labels is not None]
    if values and len(values) < len(parts):
        raise InputError(f"{at}: labels for some of {', '.join(parts)} only; give them for all or for none")
    classes = np.unique(np.concatenate(values)) if values else np.zeros(0, np.int64)
    labels = {
        part: np.zeros(len(images), np.int32) if given is None else np.searchsorted(classes, given).astype(np.int32)
        for part, (images, given) in parts.items()
    }
    found = {}
    for name, (part, rows) in _allot(labels, config).items():
        images = parts[part][0]
        pixels = map(
            partial(fit_image, size=tuple(config.image_size), grayscale=config.grayscale), _rows(at, images, rows)
        )
        found[name] = Split(write_rows(scratch / f"{name}.npy", pixels, len(rows)), labels[part][rows])
    return Source(**found, class_names=tuple(str(value) for value in classes))


def _allot(labels: Mapping[str, np.ndarray], config: Config) -> Allotment:
    seed, parts = config.split_seed, set(labels)
    if config.split or parts not in ({"train"}, {"train", "test"}):
        return allot(labels, config.split, config.split_target, seed)
    whole = labels["train"]
    rest, cut = splits.cut_test_indices(whole, seed) if parts == {"train"} else (np.arange(len(whole)), None)
    test = ("test", np.arange(len(labels["test"]))) if cut is None else ("train", cut)
    if not len(test[1]):
        raise InputError(f"dataset=arrays: the test split would be empty ({len(whole)} images in all)")
    train, val = splits.train_val_indices(whole[rest], config.val_fraction, 0, seed)
    return {"train": ("train", rest[train]), "val": ("train", rest[val]), "test": test}


def _parts(at: str, file: Path, scratch: Path) -> dict[str, tuple[np.memmap, np.ndarray | None]]:
    """Part -> its images [N, H, W, C], mapped, and its labels i64[N]."""
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
            parts[part] = images, _check_labels(at, here[0][1], arrays.get(here[0][1]), len(images))
    if "train" not in parts:
        wanted = " or ".join(images for images, _ in ARRAY_NAMES["train"])
        raise InputError(f"{at}: holds {', '.join(arrays) or 'nothing'}, but no array named {wanted}")
    shapes = {part: images.shape[1:] for part, (images, _) in parts.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"{at}: images of different shapes: {', '.join(f'{p} {s}' for p, s in shapes.items())}")
    return parts


def _unpack(file: Path, scratch: Path) -> dict[str, Any]:
    """The arrays of a file as maps: an .npz is unpacked first. None for arrays of other names."""
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
        raise InputError(f"{at}: {name} is {images.dtype}; images are uint8, or floats in [0, 1]")
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


def _rows(at: str, images: np.memmap, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "H W C"]]:
    """The images of the given indices as uint8, in their order; floats are checked."""
    for image in _read(images, rows):
        if image.dtype == np.uint8:
            yield image
        elif image.min() >= 0 and image.max() <= 1:
            yield np.round(image.astype(np.float32) * 255).astype(np.uint8)
        else:  # NaN too
            raise InputError(
                f"{at}: image with floats from {image.min():g} to {image.max():g}; float images lie in [0, 1]"
            )


def _read(images: np.memmap, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of a map, by plain reads where it is in C order: pages read through a map stay resident as long as it lives."""
    if not images.flags.c_contiguous:
        yield from (images[row] for row in rows)
        return
    size = images[:1].nbytes
    with Path(str(images.filename)).open("rb") as stream:
        for row in rows:
            stream.seek(images.offset + int(row) * size)
            yield np.frombuffer(stream.read(size), images.dtype).reshape(images.shape[1:])
