"""The records of a split: a TFDS folder of array_record shards, opened in each process that reads it."""

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Int32, UInt8

from vae_jax.data.images import fit_image
from vae_jax.data.tfds import check_features, has_labels
from vae_jax.errors import InputError
from vae_jax.types import Config

_INFO = "dataset_info.json"
_AT_ONCE = 1000  # labels read at a time


class Reader:
    """The images and labels of one split of a folder. A process that receives it opens the files again."""

    def __init__(
        self, folder: str, split: str, size: tuple[int, ...], grayscale: bool, mode: str, files: list[Any]
    ) -> None:
        """Describe a split; nothing is opened.

        Args:
            folder: the TFDS folder.
            split: the split's name.
            size: (height, width) to which images are resized, or ().
            grayscale: True to convert colour images to grey.
            mode: the mode of PIL that the set declares, L or RGB; other images are converted to it.
            files: [name, size, time of the last change] of each shard.
        """
        self._folder, self._split = folder, split
        self._size, self._grayscale, self._mode = size, grayscale, mode
        self.files = files
        self._lock, self._opened = threading.Lock(), None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes an unopened copy in another process."""
        return Reader, (self._folder, self._split, self._size, self._grayscale, self._mode, self.files)

    def __str__(self) -> str:
        """Return the folder and the split, as error messages name them."""
        return f"data_dir={self._folder}: split {self._split}"

    def images(self, records: Int[np.ndarray, " n"]) -> list[UInt8[np.ndarray, "H W C"]]:
        """Read and decode records, in the order given.

        Raises:
            InputError: a record cannot be read, or it is no image.
        """
        return self._read(
            records.tolist(),
            lambda record: fit_image(_decode(record["image"], self._mode), self._size, self._grayscale),
        )

    @property
    def count(self) -> int:
        """The number of records."""
        return len(self._records())

    def labels(self, advance: Callable[[int], Any]) -> Int32[np.ndarray, " N"]:
        """Read the labels of all records, 0 where the set has none; images are not decoded.

        Args:
            advance: is called with the number of labels that were read since the last call.

        Raises:
            InputError: a record cannot be read.
        """
        labels = np.zeros(self.count, np.int32)
        if has_labels(_builder(self._folder)):
            for start in range(0, self.count, _AT_ONCE):
                piece = slice(start, min(start + _AT_ONCE, self.count))
                labels[piece] = self._read([*range(piece.start, piece.stop)], lambda record: record["label"])
                advance(piece.stop - piece.start)
        return labels

    def _read(self, rows: list[int], take: Callable[[dict[str, Any]], Any]) -> list[Any]:
        try:
            return [take(record) for record in self._records().__getitems__(rows)]
        except Exception as error:  # array_record, protobuf and PIL have no common one
            cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise InputError(f"{self}: records {min(rows)} to {max(rows)} cannot be read: {cause}") from error

    def _records(self) -> Any:
        """Return TFDS's source, with images as they are stored."""
        import tensorflow_datasets as tfds

        with self._lock:  # threads share it
            if self._opened is None:
                decoders = {"image": tfds.decode.SkipDecoding()}
                self._opened = _builder(self._folder).as_data_source(self._split, decoders=decoders)
        return self._opened


def open_parts(config: Config) -> dict[str, Reader]:
    """Return the readers of the splits train, test and val, as far as the folder `data_dir` has them.

    Raises:
        InputError: no TFDS folder, no split named train, shards of another format or missing ones, no 8-bit images.
    """
    folder, at = config.data_dir, f"data_dir={config.data_dir}"
    if not os.path.isfile(os.path.join(folder, _INFO)):
        raise InputError(
            f"{at}: no {_INFO}; dataset=grain reads the folder of a set that TFDS prepared, such as .../cifar10/3.0.2, or one "
            "that `vae-jax pack` wrote"
        )
    try:
        builder = _builder(folder)
    except Exception as error:  # TFDS has no common one
        raise InputError(f"{at}: {_INFO} cannot be read: {' '.join(str(error).split())}") from error
    format_ = getattr(builder.info.file_format, "value", "unknown")
    if format_ != "array_record":
        raise InputError(
            f'{at}: its shards are {format_}; dataset=grain reads array_record (file_format="array_record")'
        )
    check_features(builder, config)
    if "train" not in builder.info.splits:
        raise InputError(f"{at}: no split named train, only {', '.join(builder.info.splits) or 'none'}")
    mode, parts = ("L" if builder.info.features["image"].shape[-1] == 1 else "RGB"), {}
    for split in ("train", "val", "test"):
        if split in builder.info.splits:
            files = [_file(at, Path(path)) for path in builder.info.splits[split].filepaths]
            parts[split] = Reader(folder, split, tuple(config.image_size), config.grayscale, mode, files)
    return parts


def class_names_of(config: Config) -> tuple[str, ...]:
    """Return the names of the classes, or () if the records have no labels."""
    builder = _builder(config.data_dir)
    return tuple(builder.info.features["label"].names or ()) if has_labels(builder) else ()


def _file(at: str, path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{at}: the shard {path.name} cannot be read: {error.strerror}") from error
    return [path.name, found.st_size, found.st_mtime_ns]


def _builder(folder: str) -> Any:
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(folder)


def _decode(stored: bytes, mode: str) -> UInt8[np.ndarray, "h w C"]:
    """Decode a stored image with PIL: TFDS would take OpenCV, which decodes JPEG otherwise, wherever that is installed."""
    from PIL import Image

    with Image.open(io.BytesIO(stored)) as image:
        pixels = np.asarray(image if image.mode == mode else image.convert(mode), np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels
