"""A user's own folders of images, decoded once into the cache, one file per split."""

import itertools
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

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


def load_folder(config: Config) -> Source:
    """Load images u8[N, H, W, 1 or 3] from train_dir, val_dir and test_dir, or of train/, val/ and test/ below data_dir.

    The class of an image is the first folder below the given one. One channel if `grayscale` or if every image is grey.
    The three splits are in random order. Skipped files and other warnings are printed on stderr.

    Raises:
        InputError: missing or empty folders; folders and `split` that fit no rule; images that cannot be read (all of
            them named, unless skip_broken); images that vary in size without image_size.
    """
    listings, notices = _listings(config)
    labels, class_names, of_labels = label(listings)
    allotment = allot(labels, config.split, config.split_target, config.split_seed)
    root, key = cache_root(config), _key(config, listings)
    source = load_cached(root, "folder", key, lambda scratch: _build(config, listings, allotment, labels, scratch))
    notices += of_labels + [_ignored(listing) for listing in listings.values() if listing.ignored]
    notices += [f"{one.given}: linked folders are not read: {few(one.links)}" for one in listings.values() if one.links]
    notices += source.notices
    if source.left_out:
        where = entry_folder(root, "folder", key) / "meta.json"
        notices.append(f"files left out: {len(source.left_out)}, listed with the reasons in {where}")
    for notice in notices:
        print(f"dataset=folder: {printable(notice)}", file=sys.stderr)
    return source._replace(class_names=class_names)


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


def _build(
    config: Config,
    listings: Mapping[str, Listing],
    allotment: Allotment,
    labels: Mapping[str, Int32[np.ndarray, " N"]],
    scratch: Path,
) -> Source:
    """Decode every image into the file of its split, in the split's order."""
    files = {part: [listing.root / file for file in listing.files] for part, listing in listings.items()}
    total = sum(map(len, files.values()))
    channels = 1 if config.grayscale or are_grey(itertools.chain(*files.values())) else 3
    one = partial(decode, size=tuple(config.image_size), channels=channels, background=config.background)
    parts = {}
    with decoding(one, total) as images:
        for name, (part, rows) in allotment.items():
            good: list[int] = []
            decoded = images.images([files[part][row] for row in rows], good)
            pixels = write_rows(scratch / f"{name}.npy", decoded, len(rows))
            parts[name] = Split(pixels, labels[part][rows[good]])
    broken = sorted(images.broken)
    _check(broken, total, parts, config.skip_broken)
    left_out = itertools.chain(*(listing.left_out for listing in listings.values()), broken)
    return Source(**parts, left_out=tuple(left_out), notices=_pages(images.paged))


def _pages(paged: list[Path]) -> tuple[str, ...]:
    """Return a line about the files with several pages, if there are any."""
    if not paged:
        return ()
    count = f"files with more: {len(paged)}, the first is {min(paged)} with {num_pages(min(paged))}"
    return (f"only the first page or frame is used; {count}",)


def _check(broken: list[str], total: int, parts: Mapping[str, Split], skip_broken: bool) -> None:
    if broken and not skip_broken:
        more = [f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
        head = (
            f"dataset=folder: {len(broken)} of {total} files cannot be used; --config.skip_broken=true leaves them out:"
        )
        raise InputError("\n".join([head, *broken[:_SHOWN], *more]))
    empty = [name for name, split in parts.items() if not len(split.labels)]
    if empty:
        raise InputError(f"skip_broken=True: no image of the {' and '.join(empty)} split can be read; {broken[0]}")
