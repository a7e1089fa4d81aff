import itertools
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from vae_jax import config as config_room
from vae_jax import data
from vae_jax.errors import InputError


def make_config(tmp_path, file, **changes):
    config = config_room.defaults()
    config.update({"dataset": "arrays", "cache_dir": str(tmp_path / "cache"), "data_dir": str(file), **changes})
    return config


def said(config) -> str:
    with pytest.raises(InputError) as caught:
        data.load(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def images(first: int, count: int) -> np.ndarray:
    """Return u8[count, 5, 4]; the first pixel is the image's number."""
    found = np.full((count, 5, 4), 9, np.uint8)
    found[:, 0, 0] = np.arange(first, first + count)
    return found


def numbers(split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


def all_numbers(found) -> list[int]:
    return sorted(number for split in found[:3] for number in numbers(split))


def test_a_file_without_labels_is_split_like_the_digits(tmp_path):
    np.save(tmp_path / "x.npy", images(0, 100))
    np.savez(tmp_path / "x.npz", images=images(0, 100))
    for name in ("x.npy", "x.npz"):
        found = data.load(make_config(tmp_path, tmp_path / name, val_fraction=0.25))
        assert [split.images.shape for split in found[:3]] == [(60, 5, 4, 1), (20, 5, 4, 1), (20, 5, 4, 1)]
        assert all_numbers(found) == list(range(100))
        assert found.class_names == ()
        assert all(isinstance(split.images, np.memmap) for split in found[:3])


@pytest.mark.parametrize(
    ("parts", "changes", "sizes"),
    [
        (["train"], {"split": (0.5, 0.3, 0.2)}, (50, 30, 20)),
        (["train", "test"], {"split": (0.9, 0.1)}, (90, 10, 40)),
        (["train", "test"], {"split": (0.75, 0.25), "split_target": "test"}, (100, 30, 10)),
        (["train", "val", "test"], {}, (100, 20, 40)),
        (["train", "test"], {"val_fraction": 15.0}, (85, 15, 40)),
        (["train"], {"val_fraction": 10.0}, (70, 10, 20)),
    ],
)
@pytest.mark.parametrize("naming", ["{}_images {}_labels", "x_{} y_{}"])
def test_parts_are_split_like_folders_and_labels_become_classes(tmp_path, parts, changes, sizes, naming):
    whole = {"train": images(0, 100), "val": images(100, 20), "test": images(120, 40)}
    arrays = {}
    for part in parts:
        x, y = (name.format(part) for name in naming.split())
        arrays |= {x: whole[part], y: (whole[part][:, 0, 0] % 3 * 10).astype(np.int64)[:, None]}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    found = data.load(make_config(tmp_path, tmp_path / "x.npz", **changes))
    assert tuple(len(split.labels) for split in found[:3]) == sizes
    assert all_numbers(found) == sorted(np.concatenate([whole[part][:, 0, 0] for part in parts]).tolist())
    assert found.class_names == ("0", "10", "20")
    for split in found[:3]:
        assert split.labels.tolist() == [number % 3 for number in numbers(split)]


@pytest.mark.parametrize(
    ("parts", "changes", "starts"),
    [
        (["train"], {"val_fraction": 10.0}, (0, 70, 80, 100)),
        (["train"], {"split": (0.5, 0.3, 0.2)}, (0, 50, 80, 100)),
        (["train", "test"], {"val_fraction": 10.0}, (0, 90, 100, 140)),
        (["train", "test"], {"split": (0.75, 0.25), "split_target": "test"}, (0, 100, 130, 140)),
    ],
)
def test_the_last_images_of_a_file_can_be_held_out(tmp_path, parts, changes, starts):
    whole = {"train": images(0, 100), "test": images(100, 40)}
    arrays: dict[str, Any] = {f"{part}_images": whole[part] for part in parts}
    arrays |= {f"{part}_labels": whole[part][:, 0, 0] % 3 for part in parts}
    np.savez(tmp_path / "x.npz", **arrays)
    found = data.load(make_config(tmp_path, tmp_path / "x.npz", held_out="last", **changes))
    assert [numbers(split) for split in found[:3]] == [[*range(*ends)] for ends in itertools.pairwise(starts)]
    random = data.load(make_config(tmp_path, tmp_path / "x.npz", **changes))
    assert all_numbers(random) == all_numbers(found)
    assert numbers(random.train) != numbers(found.train)


def test_an_array_in_fortran_order_gives_the_same_images(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(np.random.default_rng(0).integers(0, 256, (20, 5, 4), np.uint8)))
    found = data.load(make_config(tmp_path, tmp_path / "x.npy"))
    ours = {image.tobytes() for split in found[:3] for image in split.images}
    assert ours == {image.tobytes() for image in np.load(tmp_path / "x.npy")}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_0_to_1_are_converted_to_the_same_bytes(tmp_path, dtype):
    bytes_ = np.arange(256, dtype=np.uint8).repeat(12).reshape(256, 4, 3, 1)[:, :, :, [0, 0, 0]]
    np.save(tmp_path / "x.npy", (bytes_ / 255).astype(dtype))
    found = data.load(make_config(tmp_path, tmp_path / "x.npy"))
    assert found.train.images.shape[1:] == (4, 3, 3)
    assert all_numbers(found) == list(range(256))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_that_rounding_put_outside_0_to_1_become_0_and_255(tmp_path, dtype):
    floats = np.full((20, 5, 4), 0.5, dtype)
    floats[:, 0, 0], floats[:, 0, 1] = 1 + 9e-7, -9e-7
    np.save(tmp_path / "x.npy", floats)
    found = data.load(make_config(tmp_path, tmp_path / "x.npy"))
    for split in found[:3]:
        assert (split.images[:, 0, :2, 0] == [255, 0]).all()
        assert (split.images[:, 1:] == 128).all()


FLOATS = np.linspace(0, 1, 20 * 20).reshape(20, 5, 4)


@pytest.mark.parametrize(
    ("dtype", "change", "words"),
    [
        (
            np.float64,
            {7: 1.0000012, 9: 1.0000011},
            "2 of 20 images cannot be used, the first is x_train[7]: floats from 0.0 to 1.0000012; float images must be in "
            "[0, 1]; only 1e-06 of rounding is allowed",
        ),
        (
            np.float32,
            {3: -0.001},
            "1 of 20 images cannot be used, the first is x_train[3]: floats from -0.001 to 1.0; ",
        ),
        (np.float32, {3: -0.9}, "floats from -0.9 to 1.0; they look like -1 to 1: save (x + 1) / 2"),
        (np.float16, {2: 254}, "floats from 0.0 to 254.0; they look like 0 to 255: save x / 255, or x as uint8"),
        (np.float32, {4: 256}, "floats from 0.0 to 256.0; float images must be in [0, 1]"),
        (
            np.float32,
            {5: np.nan, 6: -np.inf, 8: np.nan},
            "3 of 20 images cannot be used, the first is x_train[5]: 2 NaN and 1 inf among the floats",
        ),
    ],
)
def test_floats_out_of_range_are_reported_with_their_image_number_and_a_mend(tmp_path, dtype, change, words):
    floats = FLOATS.astype(dtype)
    for row, value in change.items():
        floats[row, 2, 2] = value
    np.savez(tmp_path / "x.npz", x_train=floats)
    assert words in said(make_config(tmp_path, tmp_path / "x.npz"))


def test_image_size_and_grayscale_are_applied(tmp_path):
    np.save(tmp_path / "x.npy", np.full((20, 6, 6, 3), (255, 0, 0), np.uint8))
    found = data.load(make_config(tmp_path, tmp_path / "x.npy", image_size=(3, 8), grayscale=True))
    assert found.val.images.shape == (2, 3, 8, 1)
    assert np.abs(found.train.images.astype(int) - 76).max() <= 1


def bad(**arrays):
    return lambda file: np.savez(file, **arrays)


X = images(0, 20)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda file: file.write_bytes(b"hello"), "not an .npz or .npy file"),
        (lambda file: file.write_bytes(b""), "not an .npz or .npy file"),
        (lambda file: file.write_bytes(b"PK\x05\x06" + b"\0" * 18), "holds nothing, but no array named images or "),
        (bad(arr_0=X), "holds arr_0, but no array named images or train_images or x_train"),
        (bad(images=np.array([{}], object)), "pickled Python objects are never loaded"),
        (bad(images=X.astype(np.int32)), "images is int32; images are uint8, or floats in [0, 1]"),
        (bad(images=X > 3), "images is bool"),
        (bad(images=X / 3.0), "they look like 0 to 255: save x / 255, or x as uint8"),
        (bad(images=X[:, 0]), "images has shape (20, 4)"),
        (bad(images=np.zeros((9, 3, 32, 32), np.uint8)), "images has shape (9, 3, 32, 32); images are [N, H, W] or"),
        (bad(images=X[:0]), "images has shape (0, 5, 4, 1)"),
        (bad(images=X, labels=np.zeros(20)), "labels is float64 of shape (20,), not 20 whole numbers"),
        (bad(images=X, labels=np.zeros(19, int)), "labels is int64 of shape (19,), not 20"),
        (bad(images=X, x_train=X), "both images and x_train"),
        (bad(x_train=X, y_train=np.zeros(20, int), x_test=X), "labels for some of train, test only"),
        (bad(x_train=X, x_test=X[:, :4]), "images of different shapes: train (5, 4, 1), test (4, 4, 1)"),
    ],
)
def test_unusable_files_are_reported_in_one_line(tmp_path, write, words):
    file = tmp_path / "x.npz"
    write(file)
    line = said(make_config(tmp_path, file))
    assert line.startswith(f"data_dir={file}: ")
    assert words in line
    assert not list((tmp_path / "cache").glob("arrays-*"))


def test_nan_and_a_pickled_npy_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.full((20, 4, 4), np.nan))
    assert "320 NaN among the floats" in said(make_config(tmp_path, tmp_path / "x.npy"))
    np.save(tmp_path / "x.npy", np.array([print], object), allow_pickle=True)
    assert "pickled Python objects are never loaded" in said(make_config(tmp_path, tmp_path / "x.npy"))
    (tmp_path / "x.npy").write_bytes(pickle.dumps({}))
    assert "pickled Python objects are never loaded" in said(make_config(tmp_path, tmp_path / "x.npy"))
    assert said(make_config(tmp_path, tmp_path)).startswith(f"data_dir={tmp_path}: not a file;")
    assert said(make_config(tmp_path, tmp_path / "no.npz")) == (
        f"data_dir={tmp_path / 'no.npz'}: no such file; if the data of a run have moved: python -m vae_jax.main "
        "--workdir=RUN --config.data_dir=NEW"
    )


def test_parts_that_match_no_split_rule_are_reported_in_one_line(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=X, x_test=X)
    line = said(make_config(tmp_path, tmp_path / "x.npz", split=(0.5, 0.3, 0.2)))
    assert line.startswith("split=(0.5, 0.3, 0.2): test and train given with 3 proportions in split; choices: ")
    np.savez(tmp_path / "y.npz", x_train=X, x_val=X)
    assert "train and val given with 0 proportions" in said(make_config(tmp_path, tmp_path / "y.npz"))


MEMORY = """
import resource, sys
from vae_jax import config as config_room, data
config = config_room.defaults()
config.update({"dataset": "arrays", "cache_dir": sys.argv[1]})
for file in sys.argv[2:]:
    config.data_dir = file
    data.load(config)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
"""


def test_resident_memory_stays_flat_when_the_set_grows(tmp_path):
    files = [str(tmp_path / name) for name in ("few.npy", "many.npy")]
    for file, count in zip(files, (800, 3200), strict=True):
        np.save(file, np.zeros((count, 128, 128, 3), np.uint8))
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "cache"), *files]
    few, many = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert many - few < 40, "megabytes more for 118 MB more of images"


def test_a_changed_file_is_read_again(tmp_path):
    for first in (0, 50):
        np.save(tmp_path / "x.npy", images(first, 20))
        assert all_numbers(data.load(make_config(tmp_path, tmp_path / "x.npy"))) == list(range(first, first + 20))
