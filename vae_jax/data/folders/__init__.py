"""A user's own folders of images, decoded once into the cache, one file per split."""

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8

from vae_jax.data.allotment import NAMES, Allotment, allot
from vae_jax.data.cache import entry_folder, load_cached
from vae_jax.data.folders.below import all_of, folders_below
from vae_jax.data.folders.image_file import are_grey, decode, num_pages
from vae_jax.data.folders.listing import Listing, few, label, list_images
from vae_jax.data.folders.threads import decoding
from vae_jax.data.mapped import write_rows
from vae_jax.data.moved import assert_there
from vae_jax.data.source import Source
from vae_jax.errors import InputError, printable
from vae_jax.system.cache_folder import cache_root
from vae_jax.types import Config, Split

_SHOWN = 20
Labelled = tuple[UInt8[np.ndarray, "H W C"], int]
"""An image and its label."""


def load_folder(config: Config) -> Source:
    """Load images u8[N, H, W, 1 or 3] from train_dir, val_dir and test_dir, or of train/, val/ and test/ below data_dir.

    The class of an image is the first folder below the given one. One channel if `grayscale` or if every image is grey.
    The three splits are in random order. Skipped files and other warnings are printed on stderr.

    Raises:
        InputError: missing or empty folders; folders and `split` that fit no rule; images that cannot be read (all of
            them named, unless skip_broken); images that vary in size without image_size.
    """
    found = find(config)
    root, key = cache_root(config), _key(config, found.listings)
    source = load_cached(root, "folder", key, lambda scratch: _build(config, found, scratch))
    where = entry_folder(root, "folder", key) / "meta.json"
    tell(found, source.notices, source.left_out, f"listed with the reasons in {where}")
    return source._replace(class_names=found.class_names)


class Found(NamedTuple):
    """The image files of a config's folders, with the split and the label of each."""

    listings: dict[str, Listing]
    labels: dict[str, Int32[np.ndarray, " N"]]
    class_names: tuple[str, ...]
    allotment: Allotment
    notices: list[str]


def find(config: Config) -> Found:
    """List the images and allot them to the splits; none is opened.

    Raises:
        InputError: missing or empty folders; folders and `split` that fit no rule.
    """
    listings, notices = _listings(config)
    labels, class_names, of_labels = label(listings)
    notices += of_labels + [_ignored(listing) for listing in listings.values() if listing.ignored]
    notices += [f"{one.given}: linked folders are not read: {few(one.links)}" for one in listings.values() if one.links]
    return Found(
        listings, labels, class_names, allot(labels, config.split, config.split_target, config.split_seed), notices
    )


def tell(found: Found, notices: Sequence[str], left_out: Sequence[str], listed: str) -> None:
    """Print on stderr what was skipped; `listed` says where the files left out are named."""
    more = [f"files left out: {len(left_out)}, {listed}"] if left_out else []
    for notice in [*found.notices, *notices, *more]:
        print(f"dataset=folder: {printable(notice)}", file=sys.stderr)


def _listings(config: Config) -> tuple[dict[str, Listing], list[str]]:
    """List the images: part (train, val or test) -> the images in its folder; and lines to print."""
    given = {part: config[f"{part}_dir"] for part in NAMES if config[f"{part}_dir"]}
    assert_there({f"{part}_dir": folder for part, folder in given.items()} or {"data_dir": config.data_dir})
    folders, notices = {part: (f"{part}_dir={folder}", Path(folder)) for part, folder in given.items()}, []
    if not folders:
        folders, notices = folders_below(f"data_dir={config.data_dir}", Path(config.data_dir))
    listings = {part: list_images(given, folder) for part, (given, folder) in folders.items()}
    for a, b in itertools.permutations(listings.values(), 2):
        if a.root.is_relative_to(b.root):
            raise InputError(f"{a.given}: is inside {b.given}, so the same images would be in two splits")
    for listing in listings.values():
        if "train" in listing.classes and listing.classes <= {*NAMES}:
            raise InputError(f"{listing.given}: holds {all_of(listing.classes)}; give it as data_dir")
    return listings, notices


def _key(config: Config, listings: Mapping[str, Listing]) -> dict[str, Any]:
    names = ("split", "split_target", "split_seed", "image_size", "grayscale", "background", "skip_broken")
    return {
        "source": "folder",
        "version": "1",
        "folders": {part: [os.fsencode(one.root).hex(), one.digest] for part, one in listings.items()},
        "options": {name: config[name] for name in names},
    }


def _ignored(listing: Listing) -> str:
    kinds = ", ".join(f"{extension} ({count})" for extension, count in sorted(listing.ignored.items()))
    return f"{listing.given}: ignored files without an image extension: {kinds}"


def _build(config: Config, found: Found, scratch: Path) -> Source:
    """Decode every image into the file of its split, in the split's order."""
    parts: dict[str, Split] = {}

    def store(name: str, images: Iterator[Labelled], most: int) -> None:
        labels: list[int] = []
        pixels = write_rows(scratch / f"{name}.npy", (labels.append(y) or image for image, y in images), most)
        parts[name] = Split(pixels, np.asarray(labels, np.int32))

    left_out, notices = decode_splits(config, found, store)
    return Source(parts["train"], parts["test"], val=parts["val"], left_out=left_out, notices=notices)


def decode_splits(
    config: Config, found: Found, store: Callable[[str, Iterator[Labelled], int], None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Decode all images, one split after another.

    Args:
        config: tells how images are decoded, and `skip_broken`.
        found: the images.
        store: (split, its images with their labels, the most there can be); it must take all of them.

    Returns:
        "file: reason" of each file left out, and lines to print.

    Raises:
        InputError: images that cannot be read, unless skip_broken; images that vary in size without image_size.
    """
    files = {part: [listing.root / file for file in listing.files] for part, listing in found.listings.items()}
    total = sum(map(len, files.values()))
    channels = 1 if config.grayscale or are_grey(itertools.chain(*files.values())) else 3
    one = partial(decode, size=tuple(config.image_size), channels=channels, background=config.background)
    counts = {}
    with decoding(one, total) as images:
        for name, (part, rows) in found.allotment.items():
            good: list[int] = []
            labels = found.labels[part][rows]
            decoded = images.images([files[part][row] for row in rows], good)
            store(name, ((image, int(labels[good[-1]])) for image in decoded), len(rows))
            counts[name] = len(good)
    broken = sorted(images.broken)
    _check(broken, total, counts, config.skip_broken)
    left_out = itertools.chain(*(listing.left_out for listing in found.listings.values()), broken)
    return tuple(left_out), _pages(images.paged)


def _pages(paged: list[Path]) -> tuple[str, ...]:
    """Return a line about the files with several pages, if there are any."""
    if not paged:
        return ()
    count = f"files with more: {len(paged)}, the first is {min(paged)} with {num_pages(min(paged))}"
    return (f"only the first page or frame is used; {count}",)


def _check(broken: list[str], total: int, counts: Mapping[str, int], skip_broken: bool) -> None:
    if broken and not skip_broken:
        more = [f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
        head = (
            f"dataset=folder: {len(broken)} of {total} files cannot be used; --config.skip_broken=true leaves them out:"
        )
        raise InputError("\n".join([head, *broken[:_SHOWN], *more]))
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise InputError(f"skip_broken=True: no image of the {' and '.join(empty)} split can be read; {broken[0]}")
