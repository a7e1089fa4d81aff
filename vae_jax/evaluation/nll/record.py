"""A file of per-image estimates that grows piece by piece, so that a stopped measurement can be resumed."""

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
"""The facts that determine the numbers; those of a conditional run have a labels_digest too."""
GIVEN = "_given_y"
"""The end of the names of a conditional model's quantities, which are of log p(x|y)."""

Facts = Mapping[str, str | int | float]
Source = Callable[[UInt8[np.ndarray, "N H W C"], int], Iterator[Block | Annealed]]
"""(images u8[N,H,W,C], the number of the first) -> Blocks in order, or Annealed blocks for AIS."""


class Record(NamedTuple):
    """Estimates for the first B images of a split, and the facts of the measurement."""

    facts: Facts
    """The facts of FINGERPRINT, and others for readers."""
    estimates: Estimate
    trusted: Bool[np.ndarray, " B"]

    @property
    def done(self) -> int:
        """The number of measured images, B."""
        return len(self.trusted)


def measure(
    source: Source,
    images: UInt8[np.ndarray, "N H W C"],
    started: Record,
    path: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> Record:
    """Estimate every image that `started` lacks, and write the record to `path`.

    Until all images are measured, the record is in the partial file.

    Args:
        source: the source of log weights.
        images: the split, or its first part.
        started: the record that `resume` returned.
        path: NAME.npz; the partial file is NAME.partial.npz beside it.
        advance: called with the number of images of each block. If it raises, the measurement stops; finished pieces stay.
    """
    samples, size, record = int(started.facts["samples"]), PIECES[str(started.facts["method"])], started
    for start in range(started.done, len(images), size):
        parts = [record]
        for block in source(images[start : start + size], start):
            estimates = estimate(block.log_weights)
            parts.append(Record(started.facts, estimates, trusted(estimates, samples)))
            advance(len(block.log_weights))
        record = _joined(parts)
        if record.done < len(images):
            _write(partial_path(path), record)
        else:
            _write(path, record)
            partial_path(path).unlink(missing_ok=True)
    return record


def resume(path: Path, facts: Facts) -> tuple[Record, str]:
    """Return (the stored part of this measurement, maybe all or nothing; why another stored record is not used)."""
    note = ""
    for file in (path, partial_path(path)):
        record = read(file)
        if record is None:
            note = f"{file} cannot be read" if file.exists() else note
        elif changed := differing(record.facts, facts, (*FINGERPRINT, "labels_digest")):
            note = f"{file} has {changed}"
        else:
            return record._replace(facts=facts), ""  # an older file may lack facts outside FINGERPRINT
    return Record(facts, _no_estimate(int(facts["samples"])), np.zeros(0, bool)), note


def read(path: Path) -> Record | None:
    """Return the record in a file, finished or partial, or None if the file is missing or unreadable."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        estimates = Estimate(*(arrays.pop(name) for name in Estimate._fields))
        sure = arrays.pop("trusted")
        facts = {name: array.item() for name, array in arrays.items()}
        whole = {len(array) for array in (*estimates, sure)} == {len(sure)} and set(FINGERPRINT) <= set(facts)
        # np.load returns an array, not a context manager, for a .npy file.
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        return None
    return Record(facts, estimates, sure) if whole else None


def differing(theirs: Facts, ours: Facts, names: Collection[str]) -> str:
    """Return the first of these facts that differs, such as `samples=1000, not 5000`, or an empty string."""
    for name in names:
        if theirs.get(name) != ours.get(name):
            what, digest, _ = name.partition("_digest")
            return f"other {what}" if digest else f"{name}={theirs.get(name)}, not {ours.get(name)}"
    return ""


def partial_path(path: Path) -> Path:
    """Return NAME.partial.npz for NAME.npz."""
    return path.with_suffix(".partial.npz")


def _write(path: Path, record: Record) -> None:
    arrays: dict[str, Any] = record.estimates._asdict() | {"trusted": record.trusted} | dict(record.facts)
    content = io.BytesIO()
    np.savez(content, **arrays)
    disk.write(path, content.getvalue())


def _joined(records: list[Record]) -> Record:
    estimates = Estimate(
        *(np.concatenate(parts) for parts in zip(*(record.estimates for record in records), strict=True))
    )
    return Record(records[0].facts, estimates, np.concatenate([record.trusted for record in records]))


def _no_estimate(samples: int) -> Estimate:
    nothing = np.zeros(0)
    return Estimate(nothing, nothing, nothing, nothing, nothing, np.zeros((0, len(curve_sizes(samples)))))
