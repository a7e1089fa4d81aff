"""Images in array_record shards, read by grain when training needs them: a TFDS folder, or one that `vae-jax pack` wrote.

The training images are never decoded as a whole into the cache or into memory. The validation and test images, which are
read again and again, are decoded into the cache as those of other sets.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import UInt8

from vae_jax.data import splits
from vae_jax.data.cache import load_cached
from vae_jax.data.digest import total_of
from vae_jax.data.mapped import pieces_of, write_rows
from vae_jax.data.moved import assert_there
from vae_jax.data.records.images import RecordImages
from vae_jax.data.records.reader import Reader, class_names_of, open_parts
from vae_jax.data.source import Source
from vae_jax.errors import InputError
from vae_jax.system.cache_folder import cache_root
from vae_jax.system.extras import extra
from vae_jax.types import Config, Split


def load_records(config: Config) -> Source:
    """Load the splits of the TFDS folder `data_dir`; the training images are RecordImages.

    With splits named val and test, as `vae-jax pack` writes them, these are the validation and the test split. Without a split
    named val, or without one named test, the missing ones are cut from the training split, by the rules for other sets; a val
    without a test is not used. The first load reads every record twice, for the labels and for the mean image; they are kept
    in the cache.

    Raises:
        InputError: grain is not installed; data_dir is no such folder, or lacks shards; a record cannot be read; not images
            of 8 bits and one shape; an empty split.
    """
    with extra("grain", "dataset=grain"):
        import grain
    if not config.data_dir:
        raise InputError("data_dir=: dataset=grain needs a folder of array_record shards, from TFDS or `vae-jax pack`")
    assert_there({"data_dir": config.data_dir})
    parts = open_parts(config)
    source = load_cached(
        cache_root(config), "grain", _key(config, parts), lambda scratch: _build(config, parts, scratch)
    )
    rows = _rows(config, parts, source.train.labels)["train"]
    total = source.train.images[0]
    images = RecordImages(parts["train"], rows, total.shape, total)
    return source._replace(train=Split(cast(Any, images), source.train.labels[rows]))


def _key(config: Config, parts: dict[str, Reader]) -> dict[str, Any]:
    cut = () if {"val", "test"} <= {*parts} else ("held_out", "split_seed", "val_fraction")
    names = ("image_size", "grayscale", "num_train", *cut)
    files = {name: reader.files for name, reader in parts.items()}
    return {"source": "grain", "version": "2", "files": files, "options": {name: config[name] for name in names}}


def _rows(config: Config, parts: dict[str, Reader], labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the records of each split: train and, if they are cut from the training part, val and test."""
    if "val" in parts and "test" in parts:
        if config.num_train > len(labels):
            raise InputError(f"num_train={config.num_train}: only {len(labels)} training images")
        return {"train": np.arange(config.num_train or len(labels))}
    return splits.cut(labels, "test" in parts, config)


def _build(config: Config, parts: dict[str, Reader], scratch: Path) -> Source:
    """Read all labels, then all images, each under a progress bar if stderr is a terminal.

    The "images" of train are the sum of its images i64[1, H, W, C], its labels those of all records of the part.
    """
    labels = {}
    for name, reader in parts.items():
        with _bar(f"reading the labels of {name}", reader.count) as bar:
            labels[name] = reader.labels(bar.update)
    rows = _rows(config, parts, labels["train"])
    shape = parts["train"].images(np.arange(1))[0].shape
    held = {}
    for name in ("val", "test"):
        part = "train" if name in rows else name
        chosen = rows.get(name, np.arange(len(labels[part])))
        if not len(chosen):
            raise InputError(f"dataset=grain: the {name} split would be empty ({len(labels[part])} images in all)")
        with _bar(f"decoding {name}", len(chosen)) as bar:
            each = _each(RecordImages(parts[part], chosen, shape), bar.update)
            held[name] = Split(write_rows(scratch / f"{name}.npy", each, len(chosen)), labels[part][chosen])
    with _bar("decoding train", len(rows["train"])) as bar:
        total = total_of(RecordImages(parts["train"], rows["train"], shape), bar.update)
    return Source(Split(total[None], labels["train"]), held["test"], class_names_of(config), held["val"])


def _each(images: RecordImages, advance: Callable[[int], Any]) -> Iterator[UInt8[np.ndarray, "H W C"]]:
    for piece in pieces_of(images):
        yield from piece
        advance(len(piece))


def _bar(text: str, total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=text, disable=None, leave=False)
