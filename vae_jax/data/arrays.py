"""Images from a user's own .npz or .npy file."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from vae_jax.data import splits
from vae_jax.data.allotment import Allotment, allot
from vae_jax.data.array_file import read_images, read_parts
from vae_jax.data.cache import load_cached
from vae_jax.data.images import fit_image
from vae_jax.data.mapped import write_rows
from vae_jax.data.moved import assert_there
from vae_jax.data.source import Source
from vae_jax.errors import InputError
from vae_jax.system.cache_folder import cache_root
from vae_jax.types import Config, Split


def load_arrays(config: Config) -> Source:
    """Load images u8[N, H, W, C] from the file `data_dir`: an .npz with the arrays of ARRAY_NAMES, or an .npy of images.

    Images are [N, H, W] or [N, H, W, 1 or 3], uint8 or floats in [0, 1]; labels are whole numbers, [N] or [N, 1].
    `split` applies as for folders. Without it, missing splits are cut as for the digits: 20% for test, and val_fraction.

    Raises:
        InputError: not such a file; parts and `split` that fit no rule; a split that would be empty.
    """
    at, file = f"data_dir={config.data_dir}", Path(config.data_dir)
    assert_there({"data_dir": config.data_dir}, "file")
    if not os.path.isfile(file):  # Path.is_file raises in a folder that cannot be read
        raise InputError(f"{at}: not a file; dataset=arrays reads an .npz or .npy")
    names = ("split", "split_target", "split_seed", "held_out", "val_fraction", "image_size", "grayscale")
    status = file.stat()
    key = {
        "source": "arrays",
        "version": "1",
        "file": [str(file.resolve()), status.st_size, status.st_mtime_ns],
        "options": {name: config[name] for name in names},
        # To a conditional model a negative label says that the class is unknown.
        **({} if config.condition == "none" else {"condition": config.condition}),
    }
    return load_cached(cache_root(config), "arrays", key, lambda scratch: _build(config, at, file, scratch))


def _build(config: Config, at: str, file: Path, scratch: Path) -> Source:
    parts = read_parts(at, file, scratch)
    values = [part.labels for part in parts.values() if part.labels is not None]
    if values and len(values) < len(parts):
        raise InputError(f"{at}: labels for some of {', '.join(parts)} only; give them for all or for none")
    classes = np.unique(np.concatenate(values)) if values else np.zeros(0, np.int64)
    if config.condition != "none":
        classes = classes[classes >= 0]
    labels = {
        part: np.zeros(len(images), np.int32) if given is None else _numbers(classes, given)
        for part, (_, images, given) in parts.items()
    }
    found = {}
    for name, (part, rows) in _allot(labels, config).items():
        fit = partial(fit_image, size=tuple(config.image_size), grayscale=config.grayscale)
        pixels = map(fit, read_images(at, parts[part], rows))
        found[name] = Split(write_rows(scratch / f"{name}.npy", pixels, len(rows)), labels[part][rows])
    return Source(**found, class_names=tuple(str(value) for value in classes))


def _numbers(classes: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the position of each label among the classes; -1, unknown, for one that is no class."""
    return np.where(np.isin(given, classes), np.searchsorted(classes, given), -1).astype(np.int32)


def _allot(labels: Mapping[str, np.ndarray], config: Config) -> Allotment:
    seed, parts = splits.seed_of(config.held_out, config.split_seed), set(labels)
    if config.split or parts not in ({"train"}, {"train", "test"}):
        return allot(labels, config.split, config.split_target, seed)
    whole = labels["train"]
    rest, cut = splits.cut_test_indices(whole, seed) if parts == {"train"} else (np.arange(len(whole)), None)
    test = ("test", np.arange(len(labels["test"]))) if cut is None else ("train", cut)
    if not len(test[1]):
        raise InputError(f"dataset=arrays: the test split would be empty ({len(whole)} images in all)")
    train, val = splits.train_val_indices(whole[rest], config.val_fraction, 0, seed)
    return {"train": ("train", rest[train]), "val": ("train", rest[val]), "test": test}
