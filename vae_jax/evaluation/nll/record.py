"""The estimates for each image of a split, in a file that grows piece by piece, so that a stopped measurement can resume."""

import io
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from vae_jax.evaluation.estimators import Annealed, Block, Estimate, curve_sizes, estimate, trusted
from vae_jax.system import disk

PIECES = {"ais": 16, "importance": 256}
"""The number of images between two writes. Piece boundaries depend on the image index alone, so a resumed measurement is
bit-identical to an uninterrupted one."""
FINGERPRINT = (
    "method",
    "samples",
    "temperatures",
    "seed",
    "split",
    "num_images",
    "step",
    "params_digest",
    "images_digest",
)
"""The facts that decide the numbers."""

Facts = Mapping[str, str | int]
Source = Callable[[UInt8[np.ndarray, "N H W C"], int], Iterator[Block | Annealed]]
"""A function (images u8[N,H,W,C], number of the first) -> iterator of Blocks (AIS: of Annealed), in order."""


class Record(NamedTuple):
    """Estimates for the first B images of a split, with the facts that identify them."""

    facts: Facts
    """The facts of FINGERPRINT, and others for readers."""
    found: Estimate
    trusted: Bool[np.ndarray, " B"]

    @property
    def done(self) -> int:
        """B, the number of images with an estimate."""
        return len(self.trusted)


def measure(
    source: Source,
    images: UInt8[np.ndarray, "N H W C"],
    started: Record,
    path: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> Record:
    """Estimate the images missing in `started`, and write the record to `path`. Until all are done, write its partial file.

    Args:
        source: the source of log weights.
        images: the split, or its first part.
        started: the result of `resume`.
        path: NAME.npz; the partial file is NAME.partial.npz beside it.
        advance: called with the number of images of each block. If it raises, the measurement stops; finished pieces stay.
    """
    samples, size, record = int(started.facts["samples"]), PIECES[str(started.facts["method"])], started
    for start in range(started.done, len(images), size):
        parts = [record]
        for block in source(images[start : start + size], start):
            found = estimate(block.log_weights)
            parts.append(Record(started.facts, found, trusted(found, samples)))
            advance(len(block.log_weights))
        record = _joined(parts)
        if record.done < len(images):
            _write(partial_path(path), record)
        else:
            _write(path, record)
            partial_path(path).unlink(missing_ok=True)
    return record


def resume(path: Path, facts: Facts) -> tuple[Record, str]:
    """Return (the record so far: whole, partial or empty; why another file found there is not used, or "")."""
    note = ""
    for place in (path, partial_path(path)):
        record = read(place)
        if record is None:
            note = f"{place} cannot be read" if place.exists() else note
        elif changed := differing(record.facts, facts, FINGERPRINT):
            note = f"{place} has {changed}"
        else:
            return record._replace(facts=facts), ""  # an older file may lack facts that decide nothing
    return Record(facts, _no_estimate(int(facts["samples"])), np.zeros(0, bool)), note


def read(path: Path) -> Record | None:
    """Return the record in a file, whole or partial, or None if the file is missing or unreadable."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        found = Estimate(*(arrays.pop(name) for name in Estimate._fields))
        sure = arrays.pop("trusted")
        facts = {name: array.item() for name, array in arrays.items()}
        whole = {len(array) for array in (*found, sure)} == {len(sure)} and set(FINGERPRINT) <= set(facts)
        # A NumPy file of another kind is no context manager.
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        return None
    return Record(facts, found, sure) if whole else None


def differing(theirs: Facts, ours: Facts, names: Collection[str]) -> str:
    """Return the first of these facts that differs, as `samples=1000, not 5000`, or "" if none does."""
    for name in names:
        if theirs.get(name) != ours.get(name):
            what, digest, _ = name.partition("_digest")
            return f"other {what}" if digest else f"{name}={theirs.get(name)}, not {ours.get(name)}"
    return ""


def partial_path(path: Path) -> Path:
    """Return NAME.partial.npz for NAME.npz."""
    return path.with_suffix(".partial.npz")


def _write(path: Path, record: Record) -> None:
    arrays: dict[str, Any] = record.found._asdict() | {"trusted": record.trusted} | dict(record.facts)
    content = io.BytesIO()
    np.savez(content, **arrays)
    disk.write(path, content.getvalue())


def _joined(records: list[Record]) -> Record:
    found = Estimate(*(np.concatenate(parts) for parts in zip(*(record.found for record in records), strict=True)))
    return Record(records[0].facts, found, np.concatenate([record.trusted for record in records]))


def _no_estimate(samples: int) -> Estimate:
    nothing = np.zeros(0)
    return Estimate(nothing, nothing, nothing, nothing, nothing, np.zeros((0, len(curve_sizes(samples)))))
