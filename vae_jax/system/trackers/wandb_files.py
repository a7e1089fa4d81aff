"""The files of Weights & Biases that an offline run writes, which its own Python package no longer reads.

A file is `:W&B`, a version, and blocks of 32 KiB as in LevelDB's log. A piece has its checksum, length and place in a record:
whole, first, middle or last.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, FILE_HEADER, PIECE_HEADER = 32768, 7, 7
WHOLE, FIRST, LAST = 1, 2, 4


def payloads(data: bytes) -> Iterator[bytes]:
    """Yield the content of each record of a file, up to one that is cut off: a killed run may leave half of it."""
    at, held = FILE_HEADER, b""
    while len(data) - at >= PIECE_HEADER:
        if BLOCK - at % BLOCK < PIECE_HEADER:  # the rest of a block that has no room for a header
            at += BLOCK - at % BLOCK
            continue
        _, length, place = struct.unpack_from("<IHB", data, at)
        piece = data[at + PIECE_HEADER : at + PIECE_HEADER + length]
        if len(piece) < length or place == 0:
            return
        held = piece if place in (WHOLE, FIRST) else held + piece
        at += PIECE_HEADER + length
        if place in (WHOLE, LAST):
            yield held


def records(path: Path) -> Iterator[Any]:
    """Yield a file's records, in the package's own type, up to a damaged one."""
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportMissingImports]

    for payload in payloads(path.read_bytes()):
        try:
            yield Record.FromString(payload)
        except DecodeError:
            return


def history(folder: Path, run_id: str) -> list[dict[str, Any]]:
    """Return the rows that the offline files of a run hold, in the order written: name -> value, for a picture a dict."""
    rows = []
    for path in sorted(folder.glob(f"offline-run-*/run-{run_id}.wandb")):
        for record in records(path):
            if record.WhichOneof("record_type") == "history":
                rows.append(_row(record.history.item))
    return rows


def _row(items: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for item in items:
        name, *inner = item.nested_key or [item.key]
        value = json.loads(item.value_json)
        if inner:
            row.setdefault(name, {})["/".join(inner)] = value
        else:
            row[name] = value
    return row
