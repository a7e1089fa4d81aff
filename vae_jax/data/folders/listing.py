"""The image files below a folder, and the classes that their folders name."""

import collections
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from vae_jax.data.folders.image_file import EXTENSIONS
from vae_jax.errors import InputError, printable

_CLUTTER = frozenset({"thumbs.db", "desktop.ini"})
_MOST_ENDINGS = 8


class Listing(NamedTuple):
    """The files below a folder."""

    given: str
    """The folder as the user gave it: "train_dir=photos"."""
    root: Path
    files: tuple[str, ...]
    """Image files by extension, relative to root, sorted."""
    left_out: tuple[str, ...]
    """One line for each unused file with an image extension, with the reason."""
    links: tuple[str, ...]
    """Links to folders, relative to root: they are not entered, and are also in left_out."""
    ignored: Mapping[str, int]
    """Extension -> the number of files with it, for extensions that are not those of images."""
    digest: str
    """Changes with any file's name, size or modification time."""

    @property
    def classes(self) -> frozenset[str]:
        """Names of the folders directly below root that hold images."""
        return frozenset(file.split("/", 1)[0] for file in self.files if "/" in file)


def list_images(given: str, folder: Path) -> Listing:
    """List every image below a folder, at any depth. Hidden files are skipped; links may not lead outside.

    Raises:
        InputError: not a folder, one that cannot be read, or one without images; `given` names it.
    """
    root = Path(os.path.realpath(folder))
    if not os.path.isdir(root):  # Path.is_dir raises in a folder that cannot be read
        raise InputError(f"{given}: not a folder")
    stamps: dict[str, str] = {}
    left_out, links, ignored = [], [], collections.Counter[str]()
    try:
        for name, is_folder in sorted(_walk(root)):
            extension = os.path.splitext(name)[1].lower()
            if extension not in EXTENSIONS and not is_folder:
                ignored[extension or "no extension"] += 1
                continue
            reason, stamp = _examine(root, os.path.join(root, name))
            if reason:
                left_out.append(f"{root / name}: {reason}")
                links += [name] * is_folder
            else:
                stamps[name] = stamp
    except OSError as error:
        raise InputError(f"{given}: cannot be read: {error.filename}: {error.strerror}") from error
    if not stamps:
        raise InputError(f"{given}: no images in it{_others(ignored, left_out)}")
    digest = hashlib.sha256(b"\0".join(os.fsencode(part) for pair in stamps.items() for part in pair))
    digest.update(os.fsencode("\0".join(left_out)))
    return Listing(given, root, tuple(stamps), tuple(left_out), tuple(links), ignored, digest.hexdigest())


def _others(ignored: collections.Counter[str], left_out: Sequence[str]) -> str:
    """Describe the files in a folder without images: " (12 files: .heic 10, .mov 2); image files are .bmp, ..."."""
    others, total = [], sum(ignored.values())
    if ignored:
        kinds = [printable(f"{extension} {count}") for extension, count in ignored.most_common()]
        kinds[_MOST_ENDINGS:] = [f"and {len(kinds) - _MOST_ENDINGS} more endings"] * (len(kinds) > _MOST_ENDINGS)
        others.append(f"{total} file{'s' * (total > 1)}: {', '.join(kinds)}")
    if left_out:
        others.append(f"left out: {len(left_out)}, the first {left_out[0]}")
    found = f" ({'; '.join(others)})" if others else ""
    return found + f"; image files are {', '.join(sorted(EXTENSIONS))}" * bool(ignored)


def _walk(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield (path relative to root, with slashes; True for a link to a folder, which is not entered), without hidden files."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(root, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        above = Path(folder).relative_to(root).as_posix() + "/" if Path(folder) != root else ""
        yield from ((above + name, True) for name in folders if os.path.islink(os.path.join(folder, name)))
        yield from ((above + name, False) for name in files if not (name.startswith(".") or name.lower() in _CLUTTER))


def _examine(root: Path, file: str) -> tuple[str, str]:
    """Return (the reason not to open a file, or an empty text; a stamp that changes with its content)."""
    status = os.lstat(file)
    if stat.S_ISLNK(status.st_mode):
        if leads_outside(root, file):
            return "a link that leads outside the folder", ""
        try:
            status = os.stat(file)
        except OSError:  # a link to nothing: decoding will say so
            return "", "missing"
    if stat.S_ISDIR(status.st_mode):
        return "a link to a folder", ""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", ""
    return "", f"{status.st_size} {status.st_mtime_ns}"


def leads_outside(root: Path, file: str | Path) -> bool:
    """Return True if a path, with links resolved, is not below root."""
    return not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root))


def label(
    listings: Mapping[str, Listing],
) -> tuple[dict[str, Int32[np.ndarray, " N"]], tuple[str, ...], list[str]]:
    """Return the labels of each listing's files, the sorted class names of all listings, and warnings for the user.

    A class is a folder directly below a listing's root. If one listing has no such folders, nothing is labelled.

    Raises:
        InputError: images beside class folders.
    """
    for listing in listings.values():
        beside = [file for file in listing.files if "/" not in file]
        if beside and listing.classes:
            raise InputError(
                f"{listing.given}: there are images beside the class folders ({len(beside)}: {few(beside)}); "
                f"put every image into a class folder ({few(sorted(listing.classes))}), or none"
            )
    flat = [listing.given for listing in listings.values() if not listing.classes]
    if flat:
        labels = {part: np.zeros(len(listing.files), np.int32) for part, listing in listings.items()}
        partly = len(flat) < len(listings)
        return labels, (), [f"{given}: no class folders, so that no image is labelled" for given in flat if partly]
    names = sorted(frozenset().union(*(listing.classes for listing in listings.values())))
    number = {name: i for i, name in enumerate(names)}
    labels = {
        part: np.array([number[file.split("/", 1)[0]] for file in listing.files], np.int32)
        for part, listing in listings.items()
    }
    missing = [(listing.given, sorted(set(names) - listing.classes)) for listing in listings.values()]
    notices = [f"{given}: no images of class {few(lacks)}" for given, lacks in missing if lacks]
    # A name in another encoding than the file system's is one that nobody can print.
    printable = tuple(os.fsencode(name).decode("utf-8", "replace") for name in names)
    return labels, printable, notices


def few(names: Sequence[str]) -> str:
    """Return the first names as text."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
