"""Data sets: a loader for each source, then splits and binarisation. `load(config)` is the entry point."""

from collections.abc import Callable, Collection

import numpy as np

from vae_jax.data import splits
from vae_jax.data.arrays import load_arrays
from vae_jax.data.codes import load_codes
from vae_jax.data.digits import load_digits, load_textbook_digits
from vae_jax.data.folders import load_folder
from vae_jax.data.records import load_records
from vae_jax.data.source import Source
from vae_jax.data.tfds import builder_names, load_idx_set, load_tfds
from vae_jax.errors import InputError
from vae_jax.types import Config, Dataset, Split

DATASETS: dict[str, Callable[[Config], Source]] = {
    "digits": load_digits,
    "textbook_digits": load_textbook_digits,
    "mnist": load_idx_set,
    "fashion_mnist": load_idx_set,
    "kmnist": load_idx_set,
    "folder": load_folder,
    "arrays": load_arrays,
    "codes": load_codes,
    "grain": load_records,
}
"""Name -> loader, (config) -> Source. Any other name is that of a TFDS builder."""
EMBEDDED = ("digits", "textbook_digits")
"""The sets that come with scikit-learn."""


def known_names(name: str) -> Collection[str]:
    """Return the names that `config.dataset` may take, for validation.

    The names of TFDS's builders are listed only if `name` is not one of ours, because TFDS is slow to import.
    A builder's variants ("emnist/letters") are known by the builder's name; `load` checks the variant.
    """
    if name in DATASETS:
        return tuple(DATASETS)
    names = (*DATASETS, *builder_names())
    return (*names, name) if name.partition("/")[0] in names[len(DATASETS) :] else names


def load(config: Config) -> Dataset:
    """Load the data set that the config names: u8[N, H, W, C] images, or codes, and i32[N] labels per split.

    `split_seed` alone decides the splits and the binarisation. With binarize=dynamic the training images stay grey.

    Raises:
        InputError: missing files, no network, or too few images; one line that names key and value.
    """
    return assemble(DATASETS.get(config.dataset, load_tfds)(config), config)


def assemble(source: Source, config: Config) -> Dataset:
    """Cut a source into train, val and test and binarise it, as the config says.

    Raises:
        InputError: too few images, or a split that would be empty.
    """
    if source.val is not None:
        return _as_given(source, config)
    whole = source.train
    if not len(whole.labels):
        raise InputError(f"dataset={config.dataset}: the set has no training images")
    rows = splits.cut(whole.labels, source.test is not None, config)
    grey, drawn = whole, _binarized(whole, config, splits.BINARIZE_TRAIN)
    given = source.test
    test = _take(drawn, rows["test"]) if given is None else _binarized(given, config, splits.BINARIZE_TEST)
    if not len(test.labels):
        raise InputError(f"dataset={config.dataset}: the test split would be empty ({len(whole.labels)} images in all)")
    pixels, before = (drawn, grey.images) if config.binarize == "static_seeded" else (grey, None)
    return Dataset(_take(pixels, rows["train"]), _take(drawn, rows["val"]), test, source.class_names, before)


def _as_given(source: Source, config: Config) -> Dataset:
    """Return the three splits of a source that has all of them; they are copied only if they are binarised."""
    train, val, test = source.train, source.val, source.test
    assert val is not None
    assert test is not None
    if config.num_train > len(train.labels):
        raise InputError(f"num_train={config.num_train}: only {len(train.labels)} training images")
    before = train.images if config.binarize == "static_seeded" else None
    if before is not None:
        train = _binarized(train, config, splits.BINARIZE_TRAIN)
    val, test = _binarized(val, config, splits.BINARIZE_VAL), _binarized(test, config, splits.BINARIZE_TEST)
    count = config.num_train or len(train.labels)
    if count < len(train.labels):
        train = _take(train, slice(count))
    return Dataset(train, val, test, source.class_names, before)


def _take(split: Split, indices: np.ndarray | slice) -> Split:
    return Split(split.images[indices], split.labels[indices])


def _binarized(split: Split, config: Config, tag: int) -> Split:
    """Binarise a whole split at once, so that no image's draw depends on val_fraction or num_train."""
    if config.binarize == "none":
        return split
    return Split(splits.binarize(split.images, config.split_seed, tag), split.labels)
