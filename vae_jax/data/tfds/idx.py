"""MNIST-format sets through TFDS without TensorFlow. Imports TFDS: import this module inside functions only.

TFDS's own builders unpack and encode with TensorFlow. The subclasses here change only that: TFDS downloads, checks and
stores; the idx files are unpacked with gzip, and the images handed over as PNG.
"""

import gzip
import hashlib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import UInt8
from tensorflow_datasets.core import registered
from tensorflow_datasets.core.download import checksums

from vae_jax.data.images import to_png
from vae_jax.errors import InputError

IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
"""Split -> (images, labels), the names of the original files."""
FILE_NAMES = tuple(name for pair in IDX_FILES.values() for name in pair)


def read_idx(file: Path) -> UInt8[np.ndarray, "..."]:
    """Read the bytes of a gzipped idx file: 0, 0, 8 (bytes), number of axes; sizes as big-endian int32; data."""
    with gzip.open(file) as stream:
        data = stream.read()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{file.name} is not an idx file of bytes")
    shape = np.frombuffer(data, ">i4", data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


class _IdxBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The methods that replace TensorFlow in the subclasses of TFDS's builders."""

    URL: str

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        urls = {part: [_url(self.URL, name) for name in names] for part, names in IDX_FILES.items()}
        files = dl_manager.download(urls)
        return {part: self._generate_examples(*map(Path, files[part])) for part in IDX_FILES}

    def _generate_examples(self, images: Path, labels: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(read_idx(images), read_idx(labels), strict=True)):
            yield index, {"image": to_png(image[..., None]), "label": int(label)}


def make_idx_builder(name: str, folder: Path, in_order: bool) -> tfds.core.DatasetBuilder:
    """Make TFDS's builder of an MNIST-format set, free of TensorFlow, which prepares below `folder`.

    It keeps the order of the files if `in_order`, and else shuffles as TFDS does by default.
    """
    stock: Any = tfds.builder_cls(
        name
    )  # outside the next block, in which TFDS's own builders would go unregistered too
    with registered.skip_registration():  # the stock builder keeps its name in TFDS's registry
        kind = type(f"Idx_{name}", (_IdxBuilder, stock), {"name": name, "__module__": __name__})
    builder = kind(data_dir=folder, file_format="array_record")
    builder.info.as_proto.disable_shuffling = in_order
    return builder


def check_files(name: str, data_dir: str) -> None:
    """Compare the four files of `data_dir` with the sizes and checksums that TFDS has on record.

    Raises:
        InputError: files that are missing or not the original ones, by name.
    """
    folder = Path(data_dir)
    missing = [file for file in FILE_NAMES if not (folder / file).is_file()]
    if missing:
        raise InputError(f"data_dir={data_dir}: {', '.join(missing)} missing of the four files of dataset={name}")
    stock: Any = tfds.builder_cls(name)
    known, base = checksums.get_all_url_infos(), stock.URL
    wrong = [file for file in FILE_NAMES if not _is_original(folder / file, known[_url(base, file)])]
    if wrong:
        raise InputError(
            f"data_dir={data_dir}: {', '.join(wrong)} not the original of dataset={name} (size or sha256 differs)"
        )


def _url(base: str, name: str) -> str:
    return urllib.parse.urljoin(base, name)


def _is_original(file: Path, known: checksums.UrlInfo) -> bool:
    data = file.read_bytes()
    return len(data) == known.size and hashlib.sha256(data).hexdigest() == known.checksum
