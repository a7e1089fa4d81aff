"""Training images on the device, or gathered from a memory-mapped file."""

from pathlib import Path

import numpy as np
import pytest

from vae_jax.data import mapped
from vae_jax.system import devices
from vae_jax.training import feed


@pytest.fixture
def images(tmp_path) -> np.memmap:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (1000, 64, 64, 1), np.uint8))
    return np.load(tmp_path / "images.npy", "r")


@pytest.mark.parametrize("streaming", ["on", "off"])
def test_the_feed_returns_the_requested_rows(images, streaming, make_config):
    made = feed.make_feed(images, make_config(batch_size=8, streaming=streaming), devices.make_layout())
    rows = np.random.default_rng(1).permutation(1000)[:24].astype(np.int32).reshape(3, 8)
    given, places = made.images(rows, 0)
    found = np.asarray(given) if places is None else np.asarray(given)[np.asarray(places)]
    assert (places is None) == (streaming == "on")
    np.testing.assert_array_equal(found, images[rows])


def test_auto_streams_a_split_larger_than_a_quarter_of_the_memory(images, monkeypatch, make_config):
    config = make_config(batch_size=2)
    layout, rows = devices.make_layout(), np.zeros((1, 2), np.int32)
    for memory, shape in ((4 * images.nbytes, images.shape), (4 * images.nbytes - 4, (1, 2, 64, 64, 1))):
        monkeypatch.setattr(feed, "device_memory", lambda memory=memory: memory)
        assert feed.make_feed(images, config, layout).images(rows, 0)[0].shape == shape
    assert feed.make_feed(images, config, layout).most_steps == devices.BYTES_OF_A_CALL // (2 * 64 * 64)


def resident(path) -> int:
    """Return the bytes of the mapped file in the resident memory of this process."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        inside = line.endswith(str(path)) if "-" in line.split()[0] else inside
        total += 1024 * int(line.split()[1]) if inside and line.startswith("Rss:") else 0
    return total


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[1:], np.asarray, lambda a: np.asarray(a)[::2]])
def test_pages_read_from_a_memory_map_do_not_stay_resident(images, tmp_path, view):
    images.sum(dtype=np.int64)
    assert resident(tmp_path / "images.npy") > 0.9 * images.nbytes
    mapped.unmap(view(images))
    assert resident(tmp_path / "images.npy") < 0.1 * images.nbytes
    mapped.unmap(np.zeros(3))
