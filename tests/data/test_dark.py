"""The warning about training images that are nearly black, usually because their pixels do not use the range."""

import numpy as np
import pytest
from PIL import Image
from support.plain_runs import without_pictures

from vae_jax import config as config_room
from vae_jax import data, train
from vae_jax.data.dark import dark_notice
from vae_jax.data.source import Source
from vae_jax.training import measure
from vae_jax.types import Split

ONES = (np.random.default_rng(0).random((60, 6, 5)) > 0.5).astype(np.uint8)
BLACK = "the largest pixel of the training images is"


def loaded(tmp_path, **changes):
    config = config_room.defaults()
    config.update({"cache_dir": str(tmp_path / "cache"), **changes})
    return config, data.load(config)


def of_arrays(tmp_path, images, **changes):
    np.save(tmp_path / "x.npy", images)
    return loaded(tmp_path, dataset="arrays", data_dir=str(tmp_path / "x.npy"), **changes)


def of_files(tmp_path, images):
    (tmp_path / "files").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "files" / f"{i}.png")
    return loaded(tmp_path, dataset="folder", train_dir=str(tmp_path / "files"), split=(0.5, 0.3, 0.2))


@pytest.mark.parametrize("binarize", ["none", "dynamic", "static_seeded"])
def test_arrays_of_0_and_1_are_named_masks_with_both_mends(tmp_path, binarize):
    assert dark_notice(*of_arrays(tmp_path, ONES, binarize=binarize)) == (
        f"dataset=arrays: {BLACK} 1 of 255, nearly black; if they are masks of 0 and 1, multiply them by 255, "
        "or save them as floats"
    )


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            ONES,
            "1 of 255, nearly black; if they are masks of 0 and 1, multiply them by 255; 16-bit files must use 0 to 65535",
        ),
        (
            ONES.astype(np.uint16) * 255,
            "1 of 255, nearly black; if they are masks of 0 and 1, multiply them by 255; 16-bit files must",
        ),
        (
            ONES.astype(np.uint16) * 4095,
            "16 of 255, nearly black; scale them to 0 to 255; 16-bit files must use 0 to 65535",
        ),
        (ONES * 31, "31 of 255, nearly black; scale them to 0 to 255"),
        (ONES.astype(np.uint16), "0 of 255: they are black; 16-bit files must use 0 to 65535"),
    ],
)
def test_files_of_masks_and_of_few_bits_are_named_with_the_mend(tmp_path, images, words):
    line = dark_notice(*of_files(tmp_path, images))
    assert line is not None
    assert line.startswith(f"dataset=folder: {BLACK} {words}")


@pytest.mark.parametrize("images", [ONES * 32, ONES * 255, ONES.astype(np.float32)])
def test_images_that_use_the_range_give_no_warning(tmp_path, images):
    assert dark_notice(*of_arrays(tmp_path, images)) is None


@pytest.mark.parametrize("binarize", ["none", "static_seeded"])
def test_the_digits_give_no_warning(tmp_path, binarize):
    assert dark_notice(*loaded(tmp_path, binarize=binarize)) is None


class Counted(np.ndarray):
    """An array that counts the images that are read from it."""

    read = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if isinstance(key, slice):
            Counted.read += len(found)
        return found


@pytest.mark.parametrize(("bright", "read"), [(0, 64), (100, 128), (299, 300), (None, 300)])
def test_no_more_blocks_are_read_than_needed(tmp_path, bright, read):
    config, dataset = of_arrays(tmp_path, ONES)
    images = np.zeros((300, 256, 256, 1), np.uint8)
    if bright is not None:
        images[bright, 100, 100] = 32
    Counted.read = 0
    split = dataset.train._replace(images=images.view(Counted), labels=np.zeros(300, np.int32))
    assert (dark_notice(config, dataset._replace(train=split)) is None) == (bright is not None)
    assert Counted.read == read


def test_a_set_of_masks_whose_splits_are_cut_is_recognised_though_it_is_binarised(tmp_path):
    config, _ = loaded(tmp_path, binarize="static_seeded")
    published = Source(Split(ONES[..., None], np.zeros(60, np.int32)), None)
    assert f"{BLACK} 1 of 255" in str(dark_notice(config, data.assemble(published, config)))


@pytest.mark.slow
def test_training_prints_the_warning_once_and_an_evaluation_does_not(tmp_path, make_config, monkeypatch, capsys):
    without_pictures(monkeypatch)
    np.save(tmp_path / "x.npy", ONES)
    some = {"dataset": "arrays", "data_dir": str(tmp_path / "x.npy"), "cache_dir": str(tmp_path / "cache")}
    config = make_config(batch_size=8, num_epochs=1, **some)
    train.train_and_evaluate(config, tmp_path / "run")
    out = capsys.readouterr()
    assert (out.out + out.err).count("of 255") == 1
    assert f"dataset=arrays: {BLACK} 1 of 255, " in out.out
    measure.evaluate_run(tmp_path / "run", "best")
    out = capsys.readouterr()
    assert "of 255" not in out.out + out.err
