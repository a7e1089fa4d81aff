import numpy as np
import pytest

from vae_jax.data import splits
from vae_jax.errors import InputError

LABELS = np.random.default_rng(3).choice(5, 1000, p=[0.5, 0.3, 0.1, 0.07, 0.03]).astype(np.int32)


@pytest.mark.parametrize("count", [0, 1, 7, 100, 333, 999, 1000])
def test_quotas_have_the_exact_sum_and_round_each_class_up_or_down(count):
    quotas = splits.class_quotas(LABELS, count)
    assert quotas.sum() == count
    assert np.all(np.abs(quotas - np.bincount(LABELS) * count / len(LABELS)) < 1)


@pytest.mark.parametrize("count", [1, 100, 333])
def test_hold_out_is_a_stratified_partition(count):
    rest, held = splits.hold_out(LABELS, count, seed=0, tag=splits.VAL)
    assert len(held) == count
    np.testing.assert_array_equal(np.sort(np.concatenate([rest, held])), np.arange(len(LABELS)))
    np.testing.assert_array_equal(np.bincount(LABELS[held], minlength=5), splits.class_quotas(LABELS, count))


def test_hold_out_depends_on_seed_and_tag_but_on_no_global_state():
    np.random.seed(1)  # noqa: NPY002
    first = splits.hold_out(LABELS, 100, 0, splits.VAL)[1]
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(first, splits.hold_out(LABELS, 100, 0, splits.VAL)[1])
    assert set(first) != set(splits.hold_out(LABELS, 100, 1, splits.VAL)[1])
    assert set(first) != set(splits.hold_out(LABELS, 100, 0, splits.TEST)[1])


def test_without_a_seed_the_last_examples_of_the_file_are_held_out_and_none_is_moved():
    assert splits.seed_of("random", 5) == 5
    rest, held = splits.hold_out(LABELS, 100, splits.seed_of("last", 5), splits.VAL)
    np.testing.assert_array_equal(rest, np.arange(900))
    np.testing.assert_array_equal(held, np.arange(900, 1000))
    train, val = splits.train_val_indices(LABELS, 0.2, 50, None)
    np.testing.assert_array_equal(train, np.arange(50))
    np.testing.assert_array_equal(val, np.arange(800, 1000))


def test_val_fraction_is_a_fraction_below_one_and_a_count_otherwise():
    sizes = [len(splits.train_val_indices(LABELS, value, 0, 0)[1]) for value in (0.1, 0.2504, 1.0, 120.0)]
    assert sizes == [100, 250, 1, 120]


def test_num_train_takes_nested_random_samples_and_keeps_val():
    train, val = splits.train_val_indices(LABELS, 0.2, 0, 0)
    small, same_val = splits.train_val_indices(LABELS, 0.2, 50, 0)
    np.testing.assert_array_equal(small, train[:50])
    np.testing.assert_array_equal(val, same_val)
    assert small.max() > 500, "the first images of the file, not a random sample"


@pytest.mark.parametrize(
    ("val_fraction", "num_train", "said"),
    [
        (1000.0, 0, "val_fraction=1000:"),
        (2000.0, 0, "val_fraction=2000:"),
        (0.9999, 0, "val_fraction=0.9999:"),
        (0.0001, 0, "val_fraction=0.0001:"),
        (0.1, 901, "num_train=901:"),
    ],
)
def test_sizes_that_do_not_fit_are_reported_in_one_line_with_key_and_value(val_fraction, num_train, said):
    with pytest.raises(InputError) as caught:
        splits.train_val_indices(LABELS, val_fraction, num_train, 0)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_binarized_pixels_are_0_or_255_with_the_grey_image_as_mean():
    n = 20_000
    grey = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), (n, 16, 16, 1))
    drawn = splits.binarize(grey, 0, splits.BINARIZE_TRAIN)
    assert set(np.unique(drawn)) == {0, 255}
    p = np.arange(256) / 255
    mean = (drawn == 255).mean(0).ravel()
    assert mean[0] == 0
    assert mean[255] == 1, "white pixels stay white"
    z = (mean - p)[1:255] / np.sqrt(p * (1 - p) / n)[1:255]
    assert np.abs(z).max() < 5
    # mean of 254 squared standard normals: 1 +- 0.09
    assert abs((z**2).mean() - 1) < 0.45


def test_binarization_is_reproducible_and_differs_between_images_seeds_and_tags():
    grey = np.full((300, 4, 4, 1), 128, np.uint8)
    drawn = splits.binarize(grey, 0, splits.BINARIZE_TRAIN)
    np.testing.assert_array_equal(drawn, splits.binarize(grey, 0, splits.BINARIZE_TRAIN))
    np.testing.assert_array_equal(drawn, splits.binarize(drawn, 9, splits.BINARIZE_TRAIN))
    assert (drawn[0] != drawn[1:]).any()
    assert (drawn != splits.binarize(grey, 1, splits.BINARIZE_TRAIN)).any()
    assert (drawn != splits.binarize(grey, 0, splits.BINARIZE_TEST)).any()


def test_binarization_in_several_batches_does_not_repeat_noise(monkeypatch):
    monkeypatch.setattr(splits, "_ROWS", 100)
    drawn = splits.binarize(np.full((250, 4, 4, 1), 128, np.uint8), 0, splits.BINARIZE_TRAIN)
    assert len(np.unique(drawn.reshape(250, -1), axis=0)) > 240
