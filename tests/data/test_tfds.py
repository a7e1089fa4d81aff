import contextlib
import functools
import gzip
import http.server
import io
import os
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from support.mnist_files import register, write_idx, write_originals

from vae_jax import config as config_room
from vae_jax import data
from vae_jax.data import tfds
from vae_jax.data.tfds import downloads, idx
from vae_jax.errors import InputError

REAL_DIR = os.environ.get("VAE_JAX_MNIST_DIR", "")


def make_config(tmp_path: Path, **changes):
    config = config_room.defaults()
    config.update({"cache_dir": str(tmp_path / "cache"), "dataset": "mnist"} | changes)
    return config


@pytest.fixture
def originals(tmp_path, monkeypatch) -> Path:
    """Return a folder with four small files in MNIST's format, which TFDS accepts as the original ones."""
    write_originals(tmp_path / "originals", monkeypatch)
    return tmp_path / "originals"


def examples(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


def parse_by_hand(folder: Path, part: str) -> list[tuple[bytes, int]]:
    """Return the examples of the original files, read with gunzip and np.frombuffer only."""
    images, labels = (gzip.decompress((folder / name).read_bytes()) for name in idx.IDX_FILES[part])
    return examples(
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784), np.frombuffer(labels, np.uint8, offset=8)
    )


def assert_same_examples(folder: Path, source: data.Source) -> None:
    assert source.test is not None
    for part, split in (("train", source.train), ("test", source.test)):
        assert split.images.dtype == np.uint8
        assert split.images.shape[1:] == (28, 28, 1)
        assert split.labels.dtype == np.int32
        assert examples(*split) == parse_by_hand(folder, part)


def said(config) -> str:
    """Return the one line of the InputError that loading raises."""
    with pytest.raises(InputError) as caught:
        data.load(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_decoded_examples_equal_the_original_files(tmp_path, originals, capfd):
    config = make_config(tmp_path, data_dir=str(originals))
    source = tfds.load_idx_set(config)
    assert_same_examples(originals, source)
    assert source.class_names == tuple("0123456789")
    assert [path.name.split("-")[0] for path in (tmp_path / "cache").iterdir() if path.name != "downloads"] == ["mnist"]
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert "tensorflow" not in sys.modules


def test_the_last_images_of_the_files_can_be_held_out_and_all_keep_their_order(tmp_path, originals):
    config = make_config(tmp_path, data_dir=str(originals), held_out="last", val_fraction=10.0)
    found = data.load(config)
    assert [len(split.labels) for split in found[:3]] == [30, 10, 12]
    for part, splits in (("train", found[:2]), ("test", found[2:3])):
        images, labels = (idx.read_idx(originals / name) for name in idx.IDX_FILES[part])
        np.testing.assert_array_equal(np.concatenate([split.images[..., 0] for split in splits]), images)
        np.testing.assert_array_equal(np.concatenate([split.labels for split in splits]), labels)
    np.testing.assert_array_equal(data.load(make_config(tmp_path, held_out="last")).test.images, found.test.images)
    shuffled = data.load(make_config(tmp_path, data_dir=str(originals))).test
    assert (shuffled.images != found.test.images).any()
    assert examples(*shuffled) == examples(*found.test)


def test_a_set_that_tfds_shuffles_has_no_last_images_to_hold_out(tmp_path):
    line = said(make_config(tmp_path, dataset="cifar10", held_out="last"))
    assert "held_out=last" in line
    assert "dataset=cifar10" in line
    assert line.endswith("choices: held_out=random")


def test_a_cached_set_needs_neither_files_nor_tfds(tmp_path, originals, monkeypatch):
    first = data.load(make_config(tmp_path, data_dir=str(originals)))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    again = data.load(make_config(tmp_path))
    np.testing.assert_array_equal(first.train.images, again.train.images)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DIR, reason="VAE_JAX_MNIST_DIR names no folder with MNIST's original four files")
def test_real_mnist_is_byte_equal(tmp_path):
    assert_same_examples(Path(REAL_DIR), tfds.load_idx_set(make_config(tmp_path, data_dir=REAL_DIR)))
    found = data.load(make_config(tmp_path, val_fraction=10000.0))
    assert [len(split.labels) for split in found[:3]] == [50000, 10000, 10000]
    shares = [np.bincount(split.labels) / len(split.labels) for split in found[:2]]
    assert np.abs(shares[0] - shares[1]).max() < 2e-4
    last = data.load(make_config(tmp_path, data_dir=REAL_DIR, held_out="last", val_fraction=10000.0))
    labels = idx.read_idx(Path(REAL_DIR) / idx.IDX_FILES["train"][1])
    np.testing.assert_array_equal(last.train.labels, labels[:50000])
    np.testing.assert_array_equal(last.val.labels, labels[50000:])


def test_image_size_is_applied_and_makes_another_cache_entry(tmp_path, originals):
    config = make_config(tmp_path, data_dir=str(originals), image_size=(14, 7))
    assert data.load(config).test.images.shape == (12, 14, 7, 1)
    assert data.load(make_config(tmp_path, data_dir=str(originals))).test.images.shape == (12, 28, 28, 1)


def test_a_data_dir_that_is_missing_empty_or_incomplete_is_refused(tmp_path, originals):
    missing = tmp_path / "nowhere"
    assert said(make_config(tmp_path, data_dir=str(missing))) == (
        f"data_dir={missing}: no such folder; if the data of a run have moved: python -m vae_jax.main --workdir=RUN "
        "--config.data_dir=NEW"
    )
    missing.mkdir()
    assert said(make_config(tmp_path, data_dir=str(missing))).startswith(f"data_dir={missing}: the folder is empty")
    gone = [originals / "t10k-labels-idx1-ubyte.gz", originals / "train-images-idx3-ubyte.gz"]
    for file in gone:
        file.unlink()
    line = said(make_config(tmp_path, data_dir=str(originals)))
    assert line.startswith(f"data_dir={originals}: ")
    assert [name in line for name in idx.FILE_NAMES] == [originals / name in gone for name in idx.FILE_NAMES]


@pytest.mark.parametrize("name", idx.FILE_NAMES)
@pytest.mark.parametrize("cached", [False, True])
def test_the_error_for_a_file_that_is_not_the_original_names_it(tmp_path, originals, name, cached):
    config = make_config(tmp_path, data_dir=str(originals))
    if cached:
        data.load(config)
    content = bytearray((originals / name).read_bytes())
    content[-1] ^= 1
    (originals / name).write_bytes(content)
    line = said(config)
    assert line.startswith(f"data_dir={originals}: {name} not the original of dataset=mnist")


def test_tfds_also_verifies_checksums(tmp_path, originals, monkeypatch):
    monkeypatch.setattr(idx, "check_files", lambda *_: None)
    write_idx(originals / "t10k-labels-idx1-ubyte.gz", np.zeros(12, np.uint8))
    assert "has wrong checksum" in said(make_config(tmp_path, data_dir=str(originals)))


@contextlib.contextmanager
def serve(folder: Path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_set_is_downloaded_by_tfds_and_rebuilt_from_the_download(tmp_path, originals, monkeypatch, capsys):
    with serve(originals) as url:
        register(monkeypatch, url, originals)
        assert_same_examples(originals, tfds.load_idx_set(make_config(tmp_path)))
    (entry,) = (tmp_path / "cache").glob("mnist-*")
    (entry / "train_images.npy").unlink()
    assert_same_examples(originals, tfds.load_idx_set(make_config(tmp_path)))  # the server is stopped
    assert "damaged" in capsys.readouterr().err


def test_a_downloaded_file_with_a_wrong_checksum_is_refused(tmp_path, originals, monkeypatch):
    with serve(originals) as url:
        register(monkeypatch, url, originals)
        write_idx(originals / "train-labels-idx1-ubyte.gz", np.zeros(40, np.uint8))
        line = said(make_config(tmp_path))
    assert line.startswith("dataset=mnist: the network gave a wrong file")
    assert "train-labels-idx1-ubyte.gz" in line
    assert not list((tmp_path / "cache").glob("mnist-*"))


def refuse(*_, **__):
    raise OSError(101, "Network is unreachable")


def swallow(*_, **__):
    time.sleep(4)
    raise TimeoutError


@pytest.mark.parametrize("connect", [refuse, swallow])
def test_without_a_network_an_error_within_two_seconds_recommends_data_dir(tmp_path, monkeypatch, connect):
    import tensorflow_datasets  # noqa: F401  # its import is not part of the measured time
    from tensorflow_datasets.core.download import downloader

    monkeypatch.setattr(socket, "create_connection", connect)
    before, start = (downloader.MAX_RETRIES, downloader._open_url), time.perf_counter()
    line = said(make_config(tmp_path))
    assert time.perf_counter() - start < 3  # two seconds, plus a margin for a busy machine
    assert line.startswith("dataset=mnist: download failed")
    assert "--config.data_dir=DIR with the four original files train-images-idx3-ubyte.gz" in line
    assert (downloader.MAX_RETRIES, downloader._open_url) == before


def test_a_proxy_is_probed_instead_of_the_host(monkeypatch):
    asked = []

    def connect(address, timeout):
        asked.append(address)
        raise OSError("no")

    monkeypatch.setattr(socket, "create_connection", connect)
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for proxy in ("", "http://proxy.example:3128"):
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(ConnectionError, match="no connection"):
            downloads.probe("https://data.example/file")
    assert asked == [("data.example", 443), ("proxy.example", 3128)]


def make_builder(monkeypatch, name: str, features, splits: tuple[str, ...] = ("train",), record=None):
    """Register a small builder with TFDS, similar to its image sets: colour images of varying size."""
    import tensorflow_datasets as stock
    from PIL import Image

    def png(i: int) -> io.BytesIO:
        stream = io.BytesIO()
        Image.new("RGB", (8 + i % 3, 6), (200, 10 * (i % 10), 0)).save(stream, "png")
        stream.seek(0)
        return stream

    class Small(stock.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = stock.core.Version("1.0.0")

        def _info(self):
            return stock.core.DatasetInfo(builder=self, features=stock.features.FeaturesDict(features(stock)))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples() for split in splits}

        def _generate_examples(self):
            for i in range(20):
                yield i, (record or (lambda i: {"image": png(i)}))(i)

    Small.name = name
    real = stock.builder
    monkeypatch.setattr(stock, "builder", lambda n, **kw: Small(**kw) if n == name else real(n, **kw))


def colour(stock):
    return {"image": stock.features.Image(shape=(None, None, 3))}


def test_another_tfds_set_is_loaded_with_size_and_grayscale(tmp_path, monkeypatch):
    make_builder(monkeypatch, "small", colour)
    found = data.load(make_config(tmp_path, dataset="small", image_size=(6, 8)))
    assert [split.images.shape for split in found[:3]] == [(14, 6, 8, 3), (2, 6, 8, 3), (4, 6, 8, 3)]
    assert found.class_names == ()
    assert all((split.images[..., 0] == 200).all() and not split.labels.any() for split in found[:3])
    grey = data.load(make_config(tmp_path, dataset="small", image_size=(6, 8), grayscale=True))
    assert grey.train.images.shape == (14, 6, 8, 1)
    luma = found.train.images.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(grey.train.images[..., 0] - luma).max() <= 1


def needs_tensorflow(i):
    import tensorflow  # noqa: F401  # pyright: ignore[reportMissingModuleSource]


@pytest.mark.parametrize(
    ("features", "splits", "record", "expected"),
    [
        (colour, ("train",), None, "its images vary in shape; give --config.image_size"),
        (lambda s: {"text": s.features.Text()}, ("train",), None, "not a set of images; its features are text"),
        (lambda s: {"image": s.features.Text()}, ("train",), None, "not a set of images"),
        (lambda s: {"image": s.features.Image(dtype=np.uint16)}, ("train",), None, "its images are uint16, not uint8"),
    ],
)
def test_unusable_sets_are_refused_before_they_are_prepared(tmp_path, monkeypatch, features, splits, record, expected):
    make_builder(monkeypatch, "small", features, splits, record)
    assert said(make_config(tmp_path, dataset="small")).startswith(f"dataset=small: {expected}")


def test_no_train_split_missing_tensorflow_and_unknown_sets_are_refused(tmp_path, monkeypatch):
    config = make_config(tmp_path, dataset="small", image_size=(6, 8))
    make_builder(monkeypatch, "small", colour, ("alpha", "beta"))
    assert said(config) == "dataset=small: no split named train, only alpha, beta"
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    make_builder(monkeypatch, "small", colour, record=needs_tensorflow)
    assert said(config) == "dataset=small: TFDS needs TensorFlow to prepare this set: pip install 'vae_jax[tf]'"
    assert said(make_config(tmp_path, dataset="no_such")).startswith(
        "dataset=no_such: not a data set of this project or"
    )
    assert said(make_config(tmp_path, dataset="emnist/no_such")).startswith("dataset=emnist/no_such: ")


def test_reading_an_invalid_idx_file_is_an_error(tmp_path):
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"hello there"))
    with pytest.raises(ValueError, match="not an idx file"):
        idx.read_idx(tmp_path / "x.gz")
