"""A run's TensorBoard files: written, and read as TensorBoard reads them, which shows what a kill has lost."""

import math
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FILES = "events.out.tfevents.*"
FLUSH_SECONDS = 1
"""The seconds of events that a kill can lose; a resumed run writes them again."""

Points = dict[str, list[tuple[int, float | None]]]
"""Tag -> (step, value), in the order written; the value is None for images, texts and hyperparameters."""


class Board:
    """A new TensorBoard file in `workdir`. It hides what earlier files hold beyond `resume_step`, and doubles nothing."""

    def __init__(self, workdir: Path, resume_step: int) -> None:
        from tensorboardX import SummaryWriter

        points = read_points(workdir)
        self._known = set(points)
        self._shown = {(tag, step) for tag, known in points.items() for step, _ in known if step <= resume_step}
        # The name holds whole seconds only, and an existing file would be emptied. Nanoseconds also keep files in order.
        self._file: Any = SummaryWriter(
            str(workdir),
            purge_step=resume_step + 1,
            max_queue=1000,
            flush_secs=FLUSH_SECONDS,
            filename_suffix=f".{time.time_ns()}",
        )

    def close(self) -> None:
        """Write the events still in memory and close the file."""
        self._file.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> int:
        """Log the finite values that are not shown at this step yet (a killed run may have logged them); return their number."""
        new = {tag: x for tag, x in values.items() if math.isfinite(x) and (tag, step) not in self._shown}
        for tag, value in new.items():
            self._file.add_scalar(tag, value, step)
        return len(new)

    def write_lost(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Log the values in metrics.jsonl's rows that the files do not show; return their number."""
        lost = 0
        for row in rows:
            values = {tag: x for tag, x in row.items() if tag not in ("step", "epoch") and x is not None}
            lost += self.scalars(row["step"], values)
        return lost

    def image(self, step: int, path: Path) -> None:
        """Show a PNG file under its name, unless it is shown at this step."""
        from PIL import Image

        if (path.stem, step) not in self._shown:
            with Image.open(path) as image:
                self._file.add_image(path.stem, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def declare(self, flat: Mapping[str, Any], metrics: Iterable[str]) -> None:
        """Show the config as text and as hyperparameters beside `metrics`, once in the life of a workdir."""
        from tensorboardX import summary

        rows = [f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in flat.items()]
        text = summary.text("config", "\n".join(["| key | value |", "|---|---|", *rows]))
        plain = {
            key: value if isinstance(value, bool | int | float | str) else str(value) for key, value in flat.items()
        }
        # Not add_hparams, which opens a second run in a subdirectory: the table then has a row without its curves.
        for part in (text, *summary.hparams(plain, dict.fromkeys(metrics, 0.0))):
            tags = {value.tag for value in part.value}
            if not tags & self._known:  # a kill may have lost some of them
                self._file.file_writer.add_summary(part, 0)  # step 0, so that no later purge removes it
            self._known |= tags


def read_points(workdir: Path) -> Points:
    """Read the points that TensorBoard shows of a run: a restart hides what earlier files hold from its step on.

    Like TensorBoard, read a file up to its first record that is cut off or damaged.
    """
    from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore[reportAttributeAccessIssue]

    shown: Points = {}
    for path in sorted(workdir.glob(FILES)):
        for event in _events(path):
            if event.session_log.status == SessionLog.START:
                shown = {tag: [point for point in points if point[0] < event.step] for tag, points in shown.items()}
            for value in event.summary.value:
                number = value.simple_value if value.HasField("simple_value") else None
                shown.setdefault(value.tag, []).append((event.step, number))
    return shown


def _events(path: Path) -> Iterator[Any]:
    """Yield the whole events of a file; a record is a length, its checksum, the event, its checksum."""
    from google.protobuf.message import DecodeError
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboardX.record_writer import masked_crc32c

    data, at = path.read_bytes(), 0
    while len(data) - at >= 12:
        length, checksum = struct.unpack_from("<QI", data, at)
        if masked_crc32c(data[at : at + 8]) != checksum or len(data) - at < length + 16:
            return
        try:
            yield Event.FromString(data[at + 12 : at + 12 + length])
        except DecodeError:
            return
        at += length + 16
