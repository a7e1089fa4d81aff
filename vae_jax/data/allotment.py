"""The split of a user's own folders or arrays into train, val and test: four rules, decided by `split_seed` alone."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int32, Int64

from vae_jax.data import splits
from vae_jax.errors import InputError

NAMES = ("train", "val", "test")
SPLIT_RULES = (
    "train_dir with three proportions in split; train_dir and test_dir with two and split_target=train; the same with "
    "split_target=test; train_dir, val_dir and test_dir without split"
)
"""The four rules for splitting a user's own images, in words for error messages."""

Allotment = dict[str, tuple[str, Int64[np.ndarray, " n"]]]
"""Split -> (the part that contains its images, their indices in that part, in random order)."""


def allot(
    labels: Mapping[str, Int32[np.ndarray, " N"]], split: tuple[float, ...], split_target: str, seed: int | None
) -> Allotment:
    """Allot images to splits, stratified by label. The given parts and the number of proportions choose the rule:

    * train, 3 proportions: train, val and test are cut from it.
    * train and test, 2 proportions, split_target="train": train and val are cut from train.
    * train and test, 2 proportions, split_target="test": val and test are cut from test.
    * train, val and test, no proportions: as given.

    Raises:
        InputError: none of the four rules fits, or a split would be empty.
    """
    given = set(labels)
    cut: Allotment = {}
    if given == {"train"} and len(split) == 3:
        _, num_val, num_test = counts(len(labels["train"]), split, NAMES)
        rest, test = splits.hold_out(labels["train"], num_test, seed, splits.TEST)
        train, val = splits.hold_out(labels["train"][rest], num_val, seed, splits.VAL)
        cut = {"train": ("train", rest[train]), "val": ("train", rest[val]), "test": ("train", test)}
    elif given == {"train", "test"} and len(split) == 2:
        first, second = NAMES[:2] if split_target == "train" else NAMES[1:]
        count = counts(len(labels[split_target]), split, (first, second))[1]
        kept, held = splits.hold_out(labels[split_target], count, seed, splits.VAL)
        cut = {first: (split_target, kept), second: (split_target, held)}
    elif given != set(NAMES) or split:
        found = f"{' and '.join(sorted(given))} given with {len(split)} proportions in split"
        raise InputError(f"split={split}: {found}; choices: {SPLIT_RULES}")
    whole = {part: (part, splits.hold_out(labels[part], 0, seed, splits.WHOLE)[0]) for part in set(NAMES) - set(cut)}
    return {name: (cut | whole)[name] for name in NAMES}


def counts(num_images: int, split: tuple[float, ...], names: tuple[str, ...]) -> list[int]:
    """Return the number of images for each proportion, rounded; the first split takes the rest.

    Raises:
        InputError: a split would be empty.
    """
    rest = [round(share * num_images) for share in split[1:]]
    sizes = [num_images - sum(rest), *rest]
    empty = [name for name, size in zip(names, sizes, strict=True) if size < 1]
    if empty:
        raise InputError(f"split={split}: {num_images} images leave none for {' and '.join(empty)}")
    return sizes
