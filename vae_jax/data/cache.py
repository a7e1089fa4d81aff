"""Decoded data, kept as .npy files: written atomically, verified by sha256 on every load, rebuilt when damaged.

One folder per entry: {train,val,test}_{images,labels}.npy and meta.json. Entries differ by source, version and options.
"""

import contextlib
import hashlib
import json
import mmap
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax.data.source import Source
from vae_jax.errors import InputError, TrainingError
from vae_jax.system import disk
from vae_jax.types import Split

_FORMAT = 1
_STALE_SECONDS = 24 * 3600
# SystemError: threads of CPython 3.11 that read headers of .npy files at once may raise it, although the file is whole.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, SystemError)


def _complete(key: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({"format": _FORMAT, **key}))


def entry_folder(root: Path, name: str, key: Mapping[str, Any]) -> Path:
    """Return the folder in which `load_cached` keeps the entry of this key."""
    return root / f"{name}-{_digest(_complete(key))[:12]}"


def load_cached(root: Path, name: str, key: Mapping[str, Any], build: Callable[[Path], Source]) -> Source:
    """Return the source of this key from the cache, or build and keep it if there is no undamaged entry.

    Args:
        root: the cache folder.
        name: start of the entry's folder name.
        key: everything that the entry depends on (source, version, options); plain JSON values.
        build: (scratch folder, removed afterwards) -> source. Whole maps of .npy files in scratch are moved, not copied.
            Its OSErrors are reported as errors of writing to the cache.

    Returns:
        A source whose arrays are read-only maps of the files.

    Raises:
        InputError: the entry cannot be written. Errors of `build` pass through.
        TrainingError: the disk is full.
    """
    key, entry = _complete(key), entry_folder(root, name, key)
    if entry.exists():
        try:
            return _read(entry, key)
        except _DAMAGE as error:
            print(f"cache: {entry} is damaged ({_one_line(error)}); rebuilding it", file=sys.stderr)
    with _scratch(root) as scratch:
        try:
            source = build(scratch)
            fresh = scratch / "entry"
            _write(fresh, key, source)
            # mapped before it moves: maps outlive a rename, even where another process then replaces the entry
            source = _read(fresh, key)
            _publish(fresh, entry, key, scratch)
        except OSError as error:
            if disk.is_full(error):
                written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
                raise TrainingError(disk.full_disk_message(root, written)) from error
            raise InputError(f"cache_dir={root}: cannot be written: {error.strerror or error}") from error
    return source


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """Context manager: a folder of this process alone; folders that a killed process left a day ago are removed."""
    for old in (*root.glob(".scratch-*"), *root.glob("downloads/**/*.tmp.*")):  # the second: TFDS's
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".scratch-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(fresh: Path, entry: Path, key: Any, scratch: Path) -> None:
    """Move the entry into place in one step; if another process was faster, its entry stays."""
    for attempt in range(10):
        try:
            os.rename(fresh, entry)
            return
        except OSError:  # something is there: undamaged, from another process, or the damaged entry
            with contextlib.suppress(*_DAMAGE):
                _read(entry, key)
                return
            with contextlib.suppress(FileNotFoundError):  # another process moved it away first
                os.rename(entry, scratch / f"damaged-{attempt}")
    os.rename(fresh, entry)


def _write(folder: Path, key: Any, source: Source) -> None:
    folder.mkdir()
    files = {}
    for part in ("train", "val", "test"):
        split = getattr(source, part)
        for field, array in split._asdict().items() if split is not None else ():
            file = folder / f"{part}_{field}.npy"
            _store(file, array)
            files[file.name] = _fingerprint(file)
    content = {"key": key, "class_names": list(source.class_names), "files": files, "left_out": list(source.left_out)}
    content["notices"] = list(source.notices)
    (folder / "meta.json").write_text(json.dumps({"content": content, "sha256": _digest(content)}, indent=1) + "\n")


def _store(file: Path, array: np.ndarray) -> None:
    """Save an array. If it maps a whole file in the scratch folder, that file is moved instead of copied."""
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
        origin = Path(str(array.filename))
        if origin.parent == file.parent.parent:
            array.flush()
            os.rename(origin, file)
            return
    disk.assert_room(file, array.nbytes)
    np.save(file, array, allow_pickle=False)


def _read(folder: Path, key: Any) -> Source:
    meta = json.loads((folder / "meta.json").read_text())
    content = meta["content"]
    if _digest(content) != meta["sha256"] or content["key"] != key:
        raise ValueError("meta.json does not match its checksum or key")
    for name, expected in content["files"].items():
        if _fingerprint(folder / name) != expected:
            raise ValueError(f"{name} does not match its checksum")

    def split(part: str) -> Split:
        return Split(*(np.load(folder / f"{part}_{field}.npy", "r", allow_pickle=False) for field in Split._fields))

    val, test = (split(part) if f"{part}_images.npy" in content["files"] else None for part in ("val", "test"))
    lines = (tuple(content.get(name, ())) for name in ("left_out", "notices"))  # older entries have no notices
    return Source(split("train"), test, tuple(content["class_names"]), val, *lines)


def _fingerprint(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        return {"size": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
