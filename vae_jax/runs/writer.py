"""The log of a run: metrics.jsonl, which is the record, and TensorBoard files and a tracker, which show it.

A row of metrics.jsonl is `{"step": 640, "epoch": 1, "train/loss": 98.1, "val/elbo": -101.3}`, in nats per image. A
value that is not finite is written as null, because JSON has no NaN.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vae_jax.errors import InputError
from vae_jax.runs.tensorboard import Board
from vae_jax.runs.tracking import Tracking
from vae_jax.system import disk
from vae_jax.system.trackers import NONE

FILE = "metrics.jsonl"
ROOM = 2**20
"""The bytes that must be free for a row or an image, with TensorBoard's files, whose thread would die on a full disk."""


class Writer:
    """Appends a run's metrics to `workdir`. A context manager.

    Anything that a killed run left beyond `resume_step` is removed first: rows of metrics.jsonl, and a half-written last line.
    TensorBoard's readers drop events of a larger step, and points that its files have lost are written again from
    metrics.jsonl.

    Args:
        workdir: created if it is missing.
        resume_step: the step that training starts from.
        tensorboard: False writes metrics.jsonl only.
        config: the flat config (`{"eval.batch_size": 1000}`), which TensorBoard shows as text and as hyperparameters; it is
            written once in the life of a workdir.
        beside: the scalars that stand beside the hyperparameters, such as `test/elbo`.
        tracker: the value of `log.tracker`.

    Attributes:
        tracking: the run's record at the tracker.
        mended: a line for each damage that was found and repaired.

    Raises:
        InputError: metrics.jsonl holds a line that is not a row.
    """

    def __init__(
        self,
        workdir: Path,
        resume_step: int,
        tensorboard: bool,
        config: Mapping[str, Any] | None = None,
        beside: Iterable[str] = (),
        tracker: str = NONE,
    ) -> None:
        workdir.mkdir(parents=True, exist_ok=True)
        self.mended: list[str] = _cut(workdir / FILE, resume_step)
        self._step = resume_step
        self._path = workdir / FILE
        self._rows = self._path.open("ab", buffering=0)
        self._board = Board(workdir, resume_step) if tensorboard else None
        self.tracking = Tracking(tracker, workdir, config or {}, read_metrics(workdir))
        if self._board is None:
            return
        lost = self._board.write_lost(read_metrics(workdir))
        if lost:
            self.mended.append(f"TensorBoard's files had lost {lost} points; they are written again from {FILE}")
        if config is not None:
            self._board.declare(config, beside)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self.tracking.close()

    def close(self, metrics: Mapping[str, float] | None = None) -> None:
        """Log the final metrics in TensorBoard, at the last step, and close the files; a second call does nothing."""
        self._rows.close()
        if self._board is not None:
            self._board.scalars(self._step, metrics or {})
            self._board.close()
            self._board = None

    def write(self, step: int, epoch: int | float, metrics: Mapping[str, float]) -> None:
        """Append one row, after `step` updates and `epoch` epochs; it is written at once, so that a kill loses no row.

        Raises:
            TrainingError: the disk is full.
        """
        values = {name: float(value) for name, value in metrics.items()}
        row: dict[str, Any] = {"step": int(step), "epoch": int(epoch) if int(epoch) == epoch else float(epoch)}
        row |= {name: value if math.isfinite(value) else None for name, value in values.items()}
        disk.assert_room(self._path, ROOM)
        # One write of a whole line: a kill leaves all of it or, at worst, a half line that _cut removes.
        with disk.writing(self._path, ROOM):
            self._rows.write((json.dumps(row, allow_nan=False) + "\n").encode())
        self._step = step
        if self._board is not None:
            self._board.scalars(step, values)
        self.tracking.row(step, {"epoch": row["epoch"], **values})

    def image(self, step: int, path: Path) -> None:
        """Show a PNG file in TensorBoard, under its name.

        Raises:
            TrainingError: the disk is full.
        """
        if self._board is not None:
            disk.assert_room(self._path, ROOM)
            self._board.image(step, path)


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """Read the rows of workdir/metrics.jsonl; none if there is no file. A value that was not finite is None.

    A half-written last line, from a run that was killed or is writing now, is left out.

    Raises:
        InputError: another line is not a row; the message names it.
    """
    return [row for _, row in _rows(workdir / FILE)]


def history(
    rows: Iterable[Mapping[str, Any]],
) -> dict[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
    """Return metric name -> (epochs, values), from the rows that have the metric; null becomes NaN."""
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in ("step", "epoch"):
                series.setdefault(name, []).append((row["epoch"], math.nan if value is None else value))
    columns = {name: np.array(pairs, np.float64) for name, pairs in series.items()}
    return {name: (pairs[:, 0], pairs[:, 1]) for name, pairs in columns.items()}


def _rows(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """Return every whole line, with its newline, and its row."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    rows: list[tuple[bytes, dict[str, Any]]] = []
    for i, line in enumerate(lines):
        row = _parse(line)
        if row is not None:
            rows.append((line if line.endswith(b"\n") else line + b"\n", row))
        elif i < len(lines) - 1 or line.endswith(b"\n"):
            raise InputError(f"{path}: line {i + 1} is not a row of metrics, remove it: {line[:60]!r}")
    return rows


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"step", "epoch"} <= row.keys() else None


def _cut(path: Path, step: int) -> list[str]:
    """Remove rows beyond `step` and a half last line, and say so; the other lines stay as they are, byte for byte."""
    if not path.exists():
        return []
    before, rows = path.read_bytes(), _rows(path)
    kept = b"".join(line for line, row in rows if row["step"] <= step)
    if before != kept:
        disk.write(path, kept, durable=True)
    half = len(before) > sum(len(line) for line, _ in rows)
    return [f"{path} ended in half a line, which is removed"] if half else []
