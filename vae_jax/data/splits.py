"""The division of images into splits, as pure functions from arrays and a seed to indices; and binarisation.

`split_seed` alone decides; the tag makes the draws from one seed independent of each other.
"""

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from vae_jax.errors import InputError
from vae_jax.types import Config

TEST, VAL, BINARIZE_TRAIN, BINARIZE_TEST, BINARIZE_VAL, WHOLE = range(6)
"""Tags of the draws."""

_ROWS = 4096  # images binarised at a time; bounds the memory. Another number would draw other pixels


def held_out_count(num_examples: int, fraction: float) -> int:
    """Return the number of examples that `fraction` means: below 1 a fraction of N (rounded), from 1 on a count."""
    return round(fraction * num_examples) if fraction < 1 else int(fraction)


def class_quotas(labels: Int32[np.ndarray, " N"], count: int) -> Int64[np.ndarray, " classes"]:
    """Return how many of `count` examples each class gets, in the order of np.unique(labels).

    Proportional to the class sizes, by largest remainder (ties: the smaller label), so that they sum to `count`.
    """
    sizes = np.unique(labels, return_counts=True)[1].astype(np.int64)
    quotas, remainders = np.divmod(sizes * count, len(labels))
    missing = count - quotas.sum()
    quotas[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return quotas


def seed_of(held_out: str, split_seed: int) -> int | None:
    """Return the seed of `hold_out` for a value of `config.held_out`: None for the last examples."""
    return None if held_out == "last" else split_seed


def hold_out(
    labels: Int32[np.ndarray, " N"], count: int, seed: int | None, tag: int
) -> tuple[Int64[np.ndarray, " rest"], Int64[np.ndarray, " count"]]:
    """Return the indices of the examples that stay, and of `count` examples that are held out, stratified by label.

    Both are in random order, so that the first n of either are a random sample. 0 <= count <= N. Without a seed the last
    `count` examples are held out, and nothing is reordered.
    """
    if seed is None:
        return np.arange(len(labels) - count), np.arange(len(labels) - count, len(labels))
    order = np.random.default_rng([seed, tag]).permutation(len(labels))
    shuffled, held = labels[order], np.zeros(len(labels), bool)
    if count:
        for label, quota in zip(np.unique(labels), class_quotas(labels, count), strict=True):
            held[np.flatnonzero(shuffled == label)[:quota]] = True
    return order[~held], order[held]


def binarize(images: UInt8[np.ndarray, "N H W C"], seed: int, tag: int) -> UInt8[np.ndarray, "N H W C"]:
    """Set each pixel to 255 with probability pixel / 255, else 0, independently.

    Salakhutdinov and Murray (2008) drew the published static MNIST in this way; these draws differ from it.
    """
    rng, out = np.random.default_rng([seed, tag]), np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _ROWS):
        pixels = images[start : start + _ROWS]
        # u is uniform over 0..254, so P(u < pixel) is pixel / 255 exactly
        out[start : start + _ROWS] = rng.integers(0, 255, pixels.shape, np.uint8) < pixels
    out *= 255
    return out


def cut_test_indices(
    labels: Int32[np.ndarray, " N"], seed: int | None
) -> tuple[Int64[np.ndarray, " rest"], Int64[np.ndarray, " test"]]:
    """Return (train, test) indices for a set without a test split: 20% become the test split."""
    return hold_out(labels, held_out_count(len(labels), 0.2), seed, TEST)


def cut(labels: Int32[np.ndarray, " N"], has_test: bool, config: Config) -> dict[str, Int64[np.ndarray, " n"]]:
    """Return the rows of train and val, and of test too unless the set has its own, cut from N images as the config says.

    Raises:
        InputError: too few images, or a split that would be empty.
    """
    seed, rest, test = seed_of(config.held_out, config.split_seed), np.arange(len(labels)), {}
    if not has_test:
        rest, held = cut_test_indices(labels, seed)
        test = {"test": held}
        if not len(held):
            raise InputError(f"dataset={config.dataset}: the test split would be empty ({len(labels)} images in all)")
    train, val = train_val_indices(labels[rest], config.val_fraction, config.num_train, seed)
    return {"train": rest[train], "val": rest[val], **test}


def train_val_indices(
    labels: Int32[np.ndarray, " N"], val_fraction: float, num_train: int, seed: int | None
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " val"]]:
    """Return (train, val) indices into the training images; the same val for every num_train (0: all).

    Raises:
        InputError: too few images, or a split that would be empty.
    """
    count = held_out_count(len(labels), val_fraction)
    if count >= len(labels):
        raise InputError(
            f"val_fraction={val_fraction:g}: {count} validation images of {len(labels)} leave none to train on"
        )
    if count < 1:
        raise InputError(f"val_fraction={val_fraction:g}: of {len(labels)} images none are left for validation")
    train, val = hold_out(labels, count, seed, VAL)
    if num_train > len(train):
        raise InputError(
            f"num_train={num_train}: only {len(train)} training images (val_fraction={val_fraction:g} took {count})"
        )
    return (train[:num_train] if num_train else train), val
