"""dataset=grain: shards of array_record, written from folders or by TFDS, read by grain."""

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image
from support.commands import digest, finish, start_two
from support.mnist_files import write_originals
from support.paths import ROOT

from vae_jax import config as config_room
from vae_jax import data
from vae_jax.commands import pack
from vae_jax.data.digest import data_digest, mean_of
from vae_jax.data.records import stream as streams
from vae_jax.data.records.images import RecordImages
from vae_jax.data.records.pack import pack_folder
from vae_jax.data.records.reader import Reader
from vae_jax.data.tfds.idx import make_idx_builder
from vae_jax.errors import InputError
from vae_jax.randomness import epoch_order
from vae_jax.system import devices
from vae_jax.train import train_and_evaluate
from vae_jax.training.feed import make_feed

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("grain"), reason="pip install -e '.[grain]'")
COUNT, SIZE = 90, (6, 5)


def make_config(tmp_path: Path, **changes):
    config = config_room.defaults()
    config.update({"cache_dir": str(tmp_path / "cache"), **changes})
    return config


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Return a folder of random pictures of three classes."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(COUNT):
        where = folder / "abc"[number % 3]
        where.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(where / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def packed(pictures, tmp_path_factory) -> tuple[data.Dataset, Path]:
    """Return the pictures as dataset=folder has them, and the folder in which they are packed, in shards of 25."""
    folder = tmp_path_factory.mktemp("packed")
    config = make_config(folder, dataset="folder", train_dir=str(pictures), split=(0.7, 0.2, 0.1))
    assert pack_folder(config, folder / "shards", 25) == {"train": 63, "val": 18, "test": 9}
    assert [path.name for path in folder.iterdir()] == ["shards"]
    return data.load(config), folder / "shards"


def load(tmp_path: Path, folder: Path | str, **changes) -> data.Dataset:
    return data.load(make_config(tmp_path, dataset="grain", data_dir=str(folder), **changes))


def images_of(tmp_path: Path, folder: Path) -> RecordImages:
    images: Any = load(tmp_path, folder).train.images
    assert isinstance(images, RecordImages)
    return images


def assert_same(found: data.Dataset, expected: data.Dataset) -> None:
    for one, other in zip(found[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(np.asarray(one.images), other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert found.class_names == expected.class_names
    assert data_digest(found, mean_of(found.train.images)) == data_digest(expected, mean_of(expected.train.images))


def test_a_packed_folder_has_the_images_splits_and_digest_of_the_folder(packed, tmp_path):
    expected, folder = packed
    assert len(list(folder.glob("*-train.*"))) == 3
    found = load(tmp_path, folder)
    assert isinstance(found.train.images, RecordImages)
    assert isinstance(found.test.images, np.memmap)
    assert_same(found, expected)
    images, known = found.train.images, expected.train.images
    assert (images.shape, images.dtype, images.nbytes) == (known.shape, known.dtype, known.nbytes)
    for key in (3, -1, slice(5, 70, 7), [4, 2, 2], np.array([[1, 2], [60, 0]]), np.arange(63) % 9 == 2, []):
        np.testing.assert_array_equal(images[key], known[key])


def test_the_second_load_reads_no_record_and_another_folder_is_another_set(packed, tmp_path, monkeypatch):
    _, folder = packed
    first = load(tmp_path, folder)
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "_read", None)
        again = load(tmp_path, folder)
        np.testing.assert_array_equal(mean_of(again.train.images), mean_of(first.train.images))
        np.testing.assert_array_equal(again.train.labels, first.train.labels)
    os.utime(next(folder.glob("*-test.*")))
    monkeypatch.setattr(Reader, "_read", None)
    with pytest.raises(TypeError):
        load(tmp_path, folder)


@pytest.mark.parametrize("num_train", [0, 20])
def test_fewer_training_images_are_the_first_ones(packed, tmp_path, num_train):
    expected, folder = packed
    found = load(tmp_path, folder, num_train=num_train).train
    count = num_train or 63
    np.testing.assert_array_equal(np.asarray(found.images), expected.train.images[:count])
    np.testing.assert_array_equal(mean_of(found.images), mean_of(expected.train.images[:count]))
    assert len(found.labels) == count


@pytest.mark.parametrize(
    "changes", [{}, {"held_out": "last", "val_fraction": 10.0}, {"num_train": 7, "image_size": (9, 8)}]
)
def test_a_set_that_tfds_prepared_is_cut_as_tfds_sets_are(tmp_path, monkeypatch, changes):
    originals = tmp_path / "originals"
    write_originals(originals, monkeypatch)
    builder = make_idx_builder("mnist", tmp_path / "prepared", in_order="held_out" in changes)
    import tensorflow_datasets as tfds

    options = tfds.download.DownloadConfig(manual_dir=originals, try_download_gcs=False)
    builder.download_and_prepare(download_dir=tmp_path / "downloads", download_config=options)
    expected = data.load(make_config(tmp_path, dataset="mnist", data_dir=str(originals), **changes))
    assert_same(load(tmp_path, Path(str(builder.data_path)), **changes), expected)


def test_without_a_test_split_both_are_cut_from_the_training_part(packed, tmp_path):
    _, folder = packed
    shutil.copytree(folder, tmp_path / "alone")
    about = json.loads((tmp_path / "alone" / "dataset_info.json").read_text())
    about["splits"] = [split for split in about["splits"] if split["name"] == "train"]
    (tmp_path / "alone" / "dataset_info.json").write_text(json.dumps(about))
    found, whole = load(tmp_path, tmp_path / "alone"), load(tmp_path, folder).train
    assert [len(split.labels) for split in found[:3]] == [45, 5, 13]
    everything = np.concatenate([np.asarray(split.images) for split in found[:3]])
    assert sorted(image.tobytes() for image in everything) == sorted(
        image.tobytes() for image in np.asarray(whole.images)
    )
    by_hand = np.asarray(found.train.images).mean(axis=0, dtype=np.float64) / 255
    np.testing.assert_allclose(mean_of(found.train.images), by_hand, atol=1e-7)


def test_dynamic_binarisation_leaves_the_training_images_grey(packed, tmp_path):
    expected, folder = packed
    found = load(tmp_path, folder, binarize="dynamic", likelihood="bernoulli")
    np.testing.assert_array_equal(np.asarray(found.train.images), expected.train.images)
    assert set(np.unique(found.val.images)) == {0, 255}


def test_a_stream_gives_the_images_of_every_step_from_any_step_on(packed, tmp_path):
    expected, folder = packed
    order = streams.Order(3, 63, 10)
    stream = streams.Stream(images_of(tmp_path, folder), order, slice(2, 7), 0)
    for step, count in ((4, 2), (6, 5), (11, 1), (0, 3), (29, 3)):  # 6 steps an epoch
        rows = np.stack([epoch_order(3, t // 6, 63, 10)[t % 6] for t in range(step, step + count)])
        np.testing.assert_array_equal(stream.take(rows, step), expected.train.images[rows[:, 2:7]])
    stream.close()


def test_a_stream_reads_ahead_once_and_gives_rows_in_another_order_too(packed, tmp_path, monkeypatch):
    expected, folder = packed
    started, in_order = [], streams.in_order
    monkeypatch.setattr(streams, "in_order", lambda *given: started.append(given[2]) or in_order(*given))
    stream = streams.Stream(images_of(tmp_path, folder), streams.Order(3, 63, 10), slice(0, 10), 0)
    rows = np.concatenate([epoch_order(3, epoch, 63, 10) for epoch in range(2)])
    for step in range(12):
        stream.take(rows[step : step + 1], step)
    assert started == [0]
    other = np.arange(20).reshape(2, 10).astype(np.int32)
    np.testing.assert_array_equal(stream.take(other, 12), expected.train.images[other])
    assert started == [0]
    stream.close()


@pytest.mark.slow
def test_worker_processes_give_the_same_images(packed, tmp_path):
    expected, folder = packed
    stream = streams.Stream(images_of(tmp_path, folder), streams.Order(0, 63, 10), slice(0, 10), 2)
    rows = np.concatenate([epoch_order(0, epoch, 63, 10) for epoch in range(2)])
    np.testing.assert_array_equal(stream.take(rows[3:9], 3), expected.train.images[rows[3:9]])
    np.testing.assert_array_equal(stream.take(rows[9:11], 9), expected.train.images[rows[9:11]])
    stream.close()


def test_the_feed_has_the_rows_of_each_device(packed, tmp_path):
    expected, folder = packed
    config = make_config(tmp_path, batch_size=8, streaming="on", seed=5)
    feed = make_feed(images_of(tmp_path, folder), config, devices.make_layout())
    rows = epoch_order(5, 0, 63, 8)
    found, places = feed.images(rows[2:4], 2)
    assert places is None
    np.testing.assert_array_equal(np.asarray(found), expected.train.images[rows[2:4]])
    assert feed.shapes(2, 8)[0].shape == found.shape
    feed.close()
    config.streaming = "auto"
    resident, places = make_feed(images_of(tmp_path, folder), config, devices.make_layout()).images(rows[:1], 0)
    np.testing.assert_array_equal(np.asarray(resident), expected.train.images)


def test_the_columns_of_this_process_cover_its_devices():
    layout = devices.make_layout()
    assert devices.own_columns(layout, 8 * jax.device_count()) == slice(0, 8 * jax.device_count())


def test_images_of_other_modes_are_converted_to_the_one_that_the_set_declares(tmp_path):
    import tensorflow_datasets as tfds

    pixels, written = np.random.default_rng(0).integers(0, 256, (30, *SIZE), np.uint8), []
    folder = tmp_path / "made"
    folder.mkdir()
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(*SIZE, 3), encoding_format="png")})
    identity = tfds.core.DatasetIdentity(
        name="made", version=tfds.core.Version("1.0.0"), data_dir=str(folder), module_name=__name__
    )
    writer = tfds.core.SequentialWriter(
        tfds.core.DatasetInfo(builder=identity, features=features), 100, file_format="array_record"
    )
    writer.initialize_splits(["train"])
    for i, image in enumerate(pixels):
        picture, png = Image.fromarray(image), io.BytesIO()
        picture = picture if i % 2 else picture.quantize(4)  # grey, or a palette
        picture.save(png, "png")
        written.append(np.asarray(picture.convert("RGB")))
        png.seek(0)
        writer.add_examples({"train": [{"image": png}]})
    writer.close_all()
    found = load(tmp_path, folder)
    everything = np.concatenate([np.asarray(split.images) for split in found[:3]])
    assert sorted(image.tobytes() for image in everything) == sorted(image.tobytes() for image in written)


@pytest.mark.slow
@pytest.mark.parametrize("signum", ["SIGINT", "SIGTERM"])
def test_workers_outlive_a_signal_to_all_and_end_with_a_parent_that_is_killed(packed, tmp_path, signum):
    _, folder = packed
    lines = [
        "import os, signal, sys, time, numpy as np",
        "from vae_jax import config, data",
        "from vae_jax.data.records import stream",
        "if __name__ == '__main__':",
        "    c = config.defaults()",
        f"    c.update(dict(dataset='grain', data_dir={str(folder)!r}, cache_dir={str(tmp_path / 'cache')!r}))",
        "    order = stream.Order(0, 63, 10)",
        "    found = stream.Stream(data.load(c).train.images, order, slice(0, 10), 2)",
        "    take = lambda step: found.take(np.stack([order.rows(step)]), step)",
        "    take(0)",
        f"    signal.signal(signal.{signum}, signal.SIG_IGN)",
        f"    os.killpg(0, signal.{signum})",
        "    time.sleep(1)",
        "    for step in range(1, 200): take(step)",
        "    print('alive', flush=True)",
        "    time.sleep(60)",
    ]
    script = tmp_path / "script.py"
    script.write_text("\n".join(lines))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "alive\n"
    children = {path.name for path in Path("/proc").iterdir() if path.name.isdecimal() and is_child(path, process.pid)}
    assert len(children) >= 2
    process.kill()
    assert "Traceback" not in process.stderr.read()  # until the last worker has ended
    process.communicate()


def is_child(path: Path, pid: int) -> bool:
    try:
        return f"\nPPid:\t{pid}\n" in (path / "status").read_text()
    except OSError:
        return False


def params_bytes(workdir: Path) -> bytes:
    from vae_jax.runs.loading import load_run

    return b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(load_run(workdir).params))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_training_has_the_bits_of_the_folder_interrupted_or_not(packed, pictures, tmp_path, workers):
    _, folder = packed
    keys = {"likelihood": "discretized_logistic", "hidden_dims": (8,), "latent_dim": 2, "batch_size": 8, "seed": 3}
    keys |= {"cache_dir": str(tmp_path / "cache"), "streaming": "on", "log.tensorboard": False, "steps_per_dispatch": 2}
    own = {"dataset": "folder", "train_dir": str(pictures), "split": (0.7, 0.2, 0.1)}
    records = {"dataset": "grain", "data_dir": str(folder), "data_workers": workers}
    train_and_evaluate({**keys, **own, "num_epochs": 3}, tmp_path / "folder")
    train_and_evaluate({**keys, **records, "num_epochs": 1}, tmp_path / "grain")
    train_and_evaluate({**keys, **records, "num_epochs": 3}, tmp_path / "grain")
    assert params_bytes(tmp_path / "grain") == params_bytes(tmp_path / "folder")
    assert (tmp_path / "grain" / "metrics.jsonl").read_text() == (tmp_path / "folder" / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_two_processes_that_read_their_shares_have_the_bits_of_two_on_the_folder(packed, pictures, tmp_path):
    _, folder = packed
    keys = {"likelihood": "discretized_logistic", "hidden_dims": "8", "batch_size": 8, "num_epochs": 2, "seed": 3}
    keys |= {"cache_dir": tmp_path / "cache", "streaming": "on", "log.tensorboard": False, "steps_per_dispatch": 2}
    sets = {"folder": {"dataset": "folder", "train_dir": pictures, "split": "0.7,0.2,0.1"}}
    sets |= {"grain": {"dataset": "grain", "data_dir": folder, "data_workers": 1}}
    for name, own in sets.items():
        words = [
            "--config=vae",
            f"--workdir={tmp_path / name}",
            *(f"--config.{k}={v}" for k, v in (keys | own).items()),
        ]
        codes, out = finish(start_two(words, words))
        assert codes == [0, 0], out
        assert "2 CPU devices of 2 processes" in out[0]
    assert digest(tmp_path / "grain") == digest(tmp_path / "folder")
    assert (tmp_path / "grain" / "metrics.jsonl").read_bytes() == (tmp_path / "folder" / "metrics.jsonl").read_bytes()


def said(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_that_cannot_be_read_is_refused_in_one_line(packed, pictures, tmp_path, monkeypatch):
    _, folder = packed
    refused = lambda path: load(tmp_path, path)  # noqa: E731
    assert "no dataset_info.json; dataset=grain reads" in said(lambda: refused(pictures))
    assert "no such folder" in said(lambda: refused(tmp_path / "none"))
    assert said(lambda: refused("")).startswith("data_dir=: dataset=grain needs")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    about = (broken / "dataset_info.json").read_text()
    (broken / "dataset_info.json").write_text(about.replace('"array_record"', '"tfrecord"'))
    assert "its shards are tfrecord; dataset=grain reads array_record" in said(lambda: refused(broken))
    (broken / "dataset_info.json").write_text(about.replace('"train"', '"training"'))
    assert "no split named train, only" in said(lambda: refused(broken))
    (broken / "dataset_info.json").write_text(about[:-20])
    assert "dataset_info.json cannot be read" in said(lambda: refused(broken))
    (broken / "dataset_info.json").write_text(about)
    next(broken.glob("*-test.*")).unlink()
    assert "the shard packed-test.array_record-00000 cannot be read: No such file" in said(lambda: refused(broken))
    monkeypatch.setitem(sys.modules, "grain", None)
    assert said(lambda: refused(folder)) == "dataset=grain: needs the package grain; pip install 'vae_jax[grain]'"


def test_a_damaged_shard_is_found_when_it_is_read(packed, tmp_path):
    _, folder = packed
    shutil.copytree(folder, tmp_path / "damaged")
    shard = sorted((tmp_path / "damaged").glob("*-train.*"))[1]
    images = load(tmp_path, tmp_path / "damaged").train.images
    with shard.open("r+b") as file:
        file.seek(200)  # behind the header; the end of a small shard is padding
        file.write(b"\x55" * 1000)
    line = said(lambda: np.asarray(images))
    assert line.startswith(f"data_dir={tmp_path / 'damaged'}: split train: records ")
    assert "cannot be read: " in line


def test_bad_flags_of_pack_and_images_of_several_sizes_are_refused(packed, pictures, tmp_path, capsys):
    _, folder = packed
    flags = ["--config=vae", "--config.dataset=folder", f"--config.train_dir={pictures}", "--config.split=0.7,0.2,0.1"]
    flags += ["--config.likelihood=discretized_logistic", f"--config.cache_dir={tmp_path}"]
    refused = lambda *words: said(lambda: pack.main([*words]))  # noqa: E731
    assert "not an empty folder; choices: a new one" in refused(*flags, f"--output={folder}")
    assert "dataset=digits: folders of images can be packed; choices: dataset=folder" in refused(
        "--config=vae", f"--output={tmp_path / 'x'}"
    )
    assert "--nothing: unknown; choices: --help, --config, --output" in refused(
        *flags, f"--output={tmp_path / 'x'}", "--nothing"
    )
    wide = tmp_path / "pictures"
    shutil.copytree(pictures, wide)
    Image.new("RGB", (9, 9)).save(wide / "a" / "wide.png")
    line = refused(*flags[:2], f"--config.train_dir={wide}", *flags[3:], f"--output={tmp_path / 'x'}")
    assert "vary in size" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]
    pack.main([*flags, f"--output={tmp_path / 'x'}", "--per_shard=40"])
    out = capsys.readouterr().out
    assert "63/18/9 images" in out
    assert "in 4 files" in out
    assert "--config=vae --config.dataset=grain" in out
    assert_same(load(tmp_path, tmp_path / "x"), packed[0])


def test_static_binarisation_is_refused():
    flat = config_room.flatten(config_room.defaults()) | {"dataset": "grain", "binarize": "static_seeded"}
    from vae_jax.config.combinations import combination_problems

    assert [line for line in combination_problems(flat) if "dataset=grain" in line]
