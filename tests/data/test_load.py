import subprocess
import sys

import numpy as np
import pytest

from vae_jax import config as config_room
from vae_jax import data
from vae_jax.data.source import Source
from vae_jax.errors import InputError
from vae_jax.types import Split


def make_config(**changes):
    config = config_room.defaults()
    config.update(changes)
    return config


def toy_source(n=600, n_test=100) -> Source:
    """Return images that encode their number, so that each is recognized in any split."""

    def part(first, count):
        number = np.arange(first, first + count)
        images = np.full((count, 4, 4, 1), 128, np.uint8)
        images[:, 0, 0, 0], images[:, 0, 1, 0] = number // 250, number % 250
        return Split(images, (number % 3).astype(np.int32))

    return Source(part(0, n), part(n, n_test) if n_test else None, ("a", "b", "c"))


def numbers(split: Split) -> list[int]:
    return (split.images[:, 0, 0, 0].astype(int) * 250 + split.images[:, 0, 1, 0]).tolist()


def test_digits_have_the_expected_sizes_values_and_classes():
    found = data.load(make_config(val_fraction=0.1))
    assert [len(split.labels) for split in found[:3]] == [1294, 144, 359]
    assert found.train.images.shape[1:] == (8, 8, 1)
    assert all(split.images.dtype == np.uint8 and split.labels.dtype == np.int32 for split in found[:3])
    values = np.unique(np.concatenate([split.images.ravel() for split in found[:3]]))
    np.testing.assert_array_equal(values, np.round(np.arange(17) * 255 / 16))
    assert found.class_names == tuple("0123456789")


def test_digits_labels_belong_to_their_images():
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    truth = {np.round(x * 255 / 16).astype(np.uint8).tobytes(): y for x, y in zip(images, labels, strict=True)}
    for split in data.load(make_config())[:3]:
        assert [truth[image.tobytes()] for image in split.images] == split.labels.tolist()


def test_the_textbooks_split_of_the_digits_has_the_order_of_the_file():
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    found = data.load(make_config(dataset="textbook_digits", split_seed=5, val_fraction=0.3))
    assert [len(split.labels) for split in found[:3]] == [1000, 350, 447]
    whole = np.concatenate([split.images for split in found[:3]])
    np.testing.assert_array_equal(np.round(whole.reshape(-1, 64) * (16 / 255)), images)
    np.testing.assert_array_equal(np.concatenate([split.labels for split in found[:3]]), labels)
    assert len(data.load(make_config(dataset="textbook_digits", num_train=100)).train.labels) == 100
    assert found.class_names == tuple("0123456789")


def test_every_split_of_digits_has_every_class_in_its_proportion():
    found = data.load(make_config(val_fraction=0.2))
    whole = np.bincount(np.concatenate([split.labels for split in found[:3]]))
    for split in found[:3]:
        expected = whole * len(split.labels) / whole.sum()
        assert np.abs(np.bincount(split.labels) - expected).max() < 2


def test_image_size_and_channels_of_digits():
    found = data.load(make_config(image_size=(12, 16), num_train=5))
    assert found.train.images.shape == (5, 12, 16, 1)
    small = data.load(make_config(num_train=5))
    # interpolation keeps the mean brightness, up to the borders
    difference = found.train.images.mean((1, 2, 3)) - small.train.images.mean((1, 2, 3))
    assert np.abs(difference).max() < 8


@pytest.mark.parametrize("n_test", [0, 100])
def test_splits_cover_the_set_without_overlap(n_test):
    found = data.assemble(toy_source(600, n_test), make_config(val_fraction=0.25))
    train, val, test = (numbers(split) for split in found[:3])
    assert sorted(train + val + test) == list(range(600 + n_test))
    assert len(test) == (n_test or 120)
    assert len(val) == (600 if n_test else 480) // 4
    for split in found[:3]:
        assert (np.array(numbers(split)) % 3).tolist() == split.labels.tolist()
    if n_test:
        assert test == list(range(600, 700)), "a published test split is not re-split"


@pytest.mark.parametrize("split_seed", [0, 3])
def test_the_last_images_of_the_file_are_held_out_in_its_order_whatever_the_seed(split_seed):
    changes = {"held_out": "last", "val_fraction": 0.25, "split_seed": split_seed}
    cut = data.assemble(toy_source(600, 0), make_config(**changes))
    assert [numbers(split) for split in cut[:3]] == [[*range(360)], [*range(360, 480)], [*range(480, 600)]]
    given = data.assemble(toy_source(600, 100), make_config(**changes, num_train=50))
    assert [numbers(split) for split in given[:3]] == [[*range(50)], [*range(450, 600)], [*range(600, 700)]]
    whole = np.concatenate([split.images for split in data.load(make_config(**changes))[:3]])
    in_order = [split.images for split in data.load(make_config(dataset="textbook_digits"))[:3]]
    np.testing.assert_array_equal(whole, np.concatenate(in_order))


@pytest.mark.parametrize("binarize", ["none", "static_seeded", "dynamic"])
def test_splits_depend_on_split_seed_and_not_on_the_seed_of_the_run(binarize):
    a, b, c = (
        data.load(make_config(seed=seed, split_seed=split_seed, binarize=binarize))
        for seed, split_seed in [(0, 0), (1, 0), (0, 1)]
    )
    for x, y, z in zip(a[:3], b[:3], c[:3], strict=True):
        np.testing.assert_array_equal(x.images, y.images)
        np.testing.assert_array_equal(x.labels, y.labels)
        assert (x.images != z.images).any()


def test_the_test_split_of_digits_does_not_depend_on_val_fraction_or_num_train():
    a, b = data.load(make_config()), data.load(make_config(val_fraction=300.0, num_train=10))
    np.testing.assert_array_equal(a.test.images, b.test.images)


def is_binary(split: Split) -> bool:
    return bool(np.isin(split.images, (0, 255)).all())


@pytest.mark.parametrize("dataset_has_test", [False, True])
def test_val_and_test_are_binary_for_dynamic_and_all_splits_for_static_binarization(dataset_has_test):
    source = toy_source(600, 100 if dataset_has_test else 0)
    expected = {"none": (False, False, False), "static_seeded": (True, True, True), "dynamic": (False, True, True)}
    for binarize, binary in expected.items():
        found = data.assemble(source, make_config(binarize=binarize, likelihood="bernoulli"))
        assert tuple(is_binary(split) for split in found[:3]) == binary


def test_binarization_of_an_image_does_not_depend_on_val_fraction_or_num_train():
    source = toy_source(600, 0)

    def images_by_number(**changes) -> dict[int, bytes]:
        grey = data.assemble(source, make_config(**changes))
        drawn = data.assemble(source, make_config(binarize="static_seeded", **changes))
        found = {}
        for a, b in zip(grey[:3], drawn[:3], strict=True):
            found |= dict(zip(numbers(a), (image.tobytes() for image in b.images), strict=True))
        return found

    one, two = images_by_number(), images_by_number(val_fraction=200.0, num_train=50)
    assert len(two) == 370
    assert all(one[number] == image for number, image in two.items())


def test_dynamic_and_static_binarization_give_the_same_val_and_test():
    static, dynamic = (data.load(make_config(binarize=name)) for name in ("static_seeded", "dynamic"))
    for a, b in [(static.val, dynamic.val), (static.test, dynamic.test)]:
        np.testing.assert_array_equal(a.images, b.images)


def test_binarised_digits_keep_the_mean_brightness():
    grey, drawn = data.load(make_config()), data.load(make_config(binarize="static_seeded"))
    p = grey.train.images / 255
    error = np.sqrt((p * (1 - p)).sum()) / p.size
    assert abs((drawn.train.images / 255).mean() - p.mean()) < 5 * error


@pytest.mark.parametrize(
    ("source", "changes", "said"),
    [
        (toy_source(), {"num_train": 541}, "num_train=541:"),
        (toy_source(), {"val_fraction": 600.0}, "val_fraction=600:"),
        (toy_source(2, 0), {}, "dataset=digits: the test split would be empty"),
        (
            toy_source(10, 0)._replace(test=Split(np.zeros((0, 4, 4, 1), np.uint8), np.zeros(0, np.int32))),
            {},
            "dataset=",
        ),
        (toy_source(0, 5), {}, "dataset=digits: the set has no training images"),
    ],
)
def test_an_empty_split_is_refused(source, changes, said):
    with pytest.raises(InputError) as caught:
        data.assemble(source, make_config(**changes))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_known_names_include_tfds_only_for_names_that_are_not_built_in():
    assert set(data.known_names("mnist")) == set(data.DATASETS)
    assert "cifar10" in data.known_names("cifar10")
    assert "cifar10" in data.known_names("no_such_set")
    assert "no_such_set" not in data.known_names("no_such_set")
    assert "emnist/letters" in data.known_names("emnist/letters")


def test_importing_data_imports_no_heavy_package():
    code = (
        "import sys; from vae_jax import data; data.known_names('digits'); "
        "print([m for m in ('tensorflow_datasets', 'sklearn', 'matplotlib', 'PIL', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
