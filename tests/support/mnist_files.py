"""Four small files in MNIST's format, which TFDS takes for the original ones."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from vae_jax.data.tfds import idx


def write_idx(file: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    file.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def register(monkeypatch, url: str, folder: Path) -> None:
    """Make TFDS accept the files in the folder as the original MNIST at this address."""
    import tensorflow_datasets as stock
    from tensorflow_datasets.core import utils
    from tensorflow_datasets.core.download import checksums

    monkeypatch.setattr(stock.builder_cls("mnist"), "URL", url)
    for file in folder.iterdir():
        content = file.read_bytes()
        info = checksums.UrlInfo(utils.Size(len(content)), hashlib.sha256(content).hexdigest(), file.name)
        monkeypatch.setitem(checksums.get_all_url_infos(), url + file.name, info)


def write_originals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write 40 training and 12 test images into a new folder."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for part, count in (("train", 40), ("test", 12)):
        images, labels = idx.IDX_FILES[part]
        write_idx(folder / images, rng.integers(0, 256, (count, 28, 28), np.uint8))
        write_idx(folder / labels, np.arange(count, dtype=np.uint8) % 10)
    register(monkeypatch, "http://127.0.0.1:9/", folder)
