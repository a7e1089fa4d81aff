import json
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from vae_jax import config as config_room
from vae_jax.data import cache
from vae_jax.data.source import Source
from vae_jax.errors import InputError, TrainingError
from vae_jax.system import cache_folder
from vae_jax.types import Split

KEY = {"source": "toy", "version": "1", "options": {"image_size": [], "grayscale": False}}
FILES = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", "meta.json"]


class Builder:
    """A function that builds the toy set and counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, scratch: Path) -> Source:
        self.calls += 1
        rng = np.random.default_rng(0)
        parts = [
            Split(rng.integers(0, 256, (n, 3, 2, 1), np.uint8), np.arange(n, dtype=np.int32) % 2) for n in (40, 10)
        ]
        return Source(parts[0], parts[1], ("no", "yes"))


def assert_toy(source: Source) -> None:
    fresh = Builder()(Path())
    for ours, theirs in [(source.train, fresh.train), (source.test, fresh.test)]:
        assert ours is not None
        assert theirs is not None
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert source.class_names == fresh.class_names


def entry_of(root: Path) -> Path:
    (entry,) = [path for path in root.iterdir() if path.name.startswith("toy-")]
    return entry


def test_a_set_is_built_once_and_then_memory_mapped_without_leftover_files(tmp_path, capsys):
    build = Builder()
    assert_toy(cache.load_cached(tmp_path, "toy", KEY, build))
    source = cache.load_cached(tmp_path, "toy", KEY, build)
    assert_toy(source)
    assert build.calls == 1
    assert isinstance(source.train.images, np.memmap)
    assert not source.train.images.flags.writeable
    assert [path.name for path in tmp_path.iterdir()] == [entry_of(tmp_path).name]
    assert sorted(path.name for path in entry_of(tmp_path).iterdir()) == sorted(FILES)
    assert capsys.readouterr().err == ""


def test_a_whole_memory_map_of_a_scratch_file_is_moved_and_a_slice_is_copied(tmp_path, monkeypatch):
    saved, save = [], np.save
    monkeypatch.setattr(
        cache.np, "save", lambda file, *rest, **kw: (saved.append(Path(file).stem), save(file, *rest, **kw))
    )

    def build(scratch: Path) -> Source:
        toy, maps = Builder()(scratch), []
        for split in (toy.train, toy.test):
            assert split is not None
            maps.append(np.lib.format.open_memmap(scratch / f"{len(maps)}.npy", "w+", np.uint8, split.images.shape))
            maps[-1][:] = split.images
        half = Split(maps[0][20:], np.zeros(20, np.int32))
        return Source(half, Split(maps[1], np.zeros(10, np.int32)))

    source, toy = cache.load_cached(tmp_path, "toy", KEY, build), Builder()(tmp_path)
    assert saved == ["train_images", "train_labels", "test_labels"]
    assert source.test is not None
    assert toy.test is not None
    np.testing.assert_array_equal(source.train.images, toy.train.images[20:])
    np.testing.assert_array_equal(source.test.images, toy.test.images)


def test_a_val_split_and_the_omitted_files_are_stored(tmp_path):
    whole = Builder()(tmp_path)
    for _ in range(2):
        source = cache.load_cached(tmp_path, "toy", KEY, lambda _: whole._replace(val=whole.test, left_out=("a: no",)))
        assert source.val is not None
        assert whole.test is not None
        np.testing.assert_array_equal(source.val.images, whole.test.images)
        assert source.left_out == ("a: no",)


def test_notices_are_stored_and_an_older_entry_without_them_is_not_built_again(tmp_path):
    whole = Builder()(tmp_path)
    for _ in range(2):
        source = cache.load_cached(tmp_path, "toy", KEY, lambda _: whole._replace(notices=("two pages",)))
        assert source.notices == ("two pages",)
    meta = cache.entry_folder(tmp_path, "toy", KEY) / "meta.json"
    content = json.loads(meta.read_text())["content"]
    del content["notices"]
    meta.write_text(json.dumps({"content": content, "sha256": cache._digest(content)}))
    assert cache.load_cached(tmp_path, "toy", KEY, lambda _: pytest.fail("built again")).notices == ()


def test_a_set_without_test_split_or_classes_is_cached(tmp_path):
    whole = Builder()(tmp_path)
    for _ in range(2):
        source = cache.load_cached(tmp_path, "toy", KEY, lambda _: Source(whole.train, None))
        assert source.test is None
        assert source.class_names == ()


@pytest.mark.parametrize(
    "change", [{"source": "other"}, {"version": "2"}, {"options": {"image_size": [4, 4], "grayscale": False}}]
)
def test_another_key_makes_another_entry(tmp_path, change):
    build = Builder()
    cache.load_cached(tmp_path, "toy", KEY, build)
    cache.load_cached(tmp_path, "toy", KEY | change, build)
    assert build.calls == 2


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    file.write_bytes(data)


DAMAGE = {
    "truncate": lambda file: file.write_bytes(file.read_bytes()[:-2]),
    "empty": lambda file: file.write_bytes(b""),
    "flip": flip_a_bit,
    "delete": lambda file: file.unlink(),
    "garbage": lambda file: file.write_bytes(b"\xff\x00[]"),
    "other json": lambda file: file.write_text("[1]"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", FILES)
def test_damage_is_detected_reported_in_one_line_and_repaired(tmp_path, capsys, file, damage):
    build = Builder()
    cache.load_cached(tmp_path, "toy", KEY, build)
    DAMAGE[damage](entry_of(tmp_path) / file)
    assert_toy(cache.load_cached(tmp_path, "toy", KEY, build))
    assert build.calls == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "damaged" in said
    assert str(entry_of(tmp_path)) in said
    assert_toy(cache.load_cached(tmp_path, "toy", KEY, build))
    assert build.calls == 2, "the repaired entry is good"


def test_metadata_of_another_key_count_as_damage(tmp_path):
    build = Builder()
    cache.load_cached(tmp_path, "toy", KEY, build)
    meta = entry_of(tmp_path) / "meta.json"
    content = json.loads(meta.read_text())["content"]
    content["key"]["version"] = "2"
    meta.write_text(json.dumps({"content": content, "sha256": cache._digest(content)}))
    cache.load_cached(tmp_path, "toy", KEY, build)
    assert build.calls == 2


def test_a_failed_build_leaves_no_files(tmp_path):
    def fail(scratch: Path) -> Source:
        (scratch / "half").write_text("done")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        cache.load_cached(tmp_path, "toy", KEY, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_no_entry(tmp_path, monkeypatch):
    def save(file, *args, **kwargs):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "save", save)
    with pytest.raises(TrainingError, match=f"^{tmp_path}: cannot be written, the disk is full: 0.0 kB needed, "):
        cache.load_cached(tmp_path, "toy", KEY, Builder())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_concurrent_builders_all_get_the_data_and_leave_one_entry(tmp_path, damaged):
    if damaged:
        cache.load_cached(tmp_path, "toy", KEY, Builder())
        flip_a_bit(entry_of(tmp_path) / FILES[0])
    barrier, results = threading.Barrier(4), []

    def race() -> None:
        def build(scratch: Path) -> Source:
            barrier.wait(timeout=20)  # every builder has missed the cache before any writes an entry
            return Builder()(scratch)

        results.append(cache.load_cached(tmp_path, "toy", KEY, build))

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for source in results:
        assert_toy(source)
    assert [path.name for path in tmp_path.iterdir()] == [entry_of(tmp_path).name]


def test_files_of_killed_processes_are_removed_after_a_day(tmp_path):
    old, new = tmp_path / ".scratch-old", tmp_path / ".scratch-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "file").write_text("left")
    os.utime(old, (0, 0))
    cache.load_cached(tmp_path, "toy", KEY, Builder())
    assert not old.exists()
    assert new.exists(), "another process may be at work there"


def test_cache_root_follows_the_config_then_xdg_then_home_then_a_temporary_folder(tmp_path, monkeypatch):
    config = config_room.defaults()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with config.unlocked():
        config.cache_dir = str(tmp_path / "mine")
    assert cache_folder.cache_root(config) == tmp_path / "mine"
    config.cache_dir = ""
    assert cache_folder.cache_root(config) == tmp_path / "xdg" / "vae_jax"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder.cache_root(config) == tmp_path / "home" / ".cache" / "vae_jax"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = cache_folder.cache_root(config)
    assert root.parent == tmp_path
    assert root.is_dir()


def test_a_cache_dir_that_is_not_writable_is_reported_in_one_line(tmp_path):
    config = config_room.defaults()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        config.cache_dir = str(path)
        with pytest.raises(InputError) as caught:
            cache_folder.cache_root(config)
        assert str(caught.value).startswith(f"cache_dir={path}: ")
        assert "\n" not in str(caught.value)


def test_a_changed_class_name_in_the_metadata_counts_as_damage(tmp_path):
    build = Builder()
    cache.load_cached(tmp_path, "toy", KEY, build)
    meta = entry_of(tmp_path) / "meta.json"
    meta.write_text(meta.read_text().replace("yes", "yet"))
    assert_toy(cache.load_cached(tmp_path, "toy", KEY, build))
    assert build.calls == 2
