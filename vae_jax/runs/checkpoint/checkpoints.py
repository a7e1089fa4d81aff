"""Checkpoints of a run: saved by orbax in the background, sealed by a manifest, the two latest and the best kept."""

import itertools
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

import jax
from absl import logging as absl_logging

from vae_jax.system import disk
from vae_jax.runs.checkpoint import manifest
from vae_jax.runs.checkpoint.manifest import MANIFEST
from vae_jax.runs.checkpoint.trees import Restored, read
from vae_jax.errors import InputError, TrainingError

ROOM = 1.2
"""A checkpoint's files take up to so many times the bytes of its arrays (zstd leaves float32 noise as large as it is)."""


def _worth_reading(record: logging.LogRecord) -> bool:
    # Of orbax nothing: its warnings are for its authors, and what its threads fail with, `wait` raises.
    return "orbax" not in Path(record.pathname).parts


absl_logging.get_absl_logger().addFilter(_worth_reading)


class _Preservation(NamedTuple):
    """Orbax's own LatestN and BestN also count stray directories and damaged steps, and need its unguarded metrics."""

    preserve: Callable[[Sequence[int]], list[bool]]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        return self.preserve([checkpoint.step for checkpoint in checkpoints])


class Checkpoints:
    """The checkpoints in one directory: `DIRECTORY/STEP/`. Use it as a context manager, or the last save may be lost.

    The two latest steps and the one with the highest metric are kept. What is not a checkpoint (temporary, foreign or
    empty directories, files) is ignored and left alone, and nothing is ever deleted by reading. The manifest is part of
    what orbax commits in one rename; a committed step without one is damaged.
    """

    def __init__(self, directory: Path, read_only: bool = False) -> None:
        """Creates the directory, unless it is read_only: then nothing is created, written or deleted."""
        self._directory = Path(directory).absolute()
        self._read_only = read_only
        self._manager: Any = None
        self._pending: tuple[int, float | None] | None = None
        self._num_bytes = 0
        self._damaged: set[int] = set()
        self._verified: set[int] = set()
        if not read_only:
            self._directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Waits for the save in flight and closes; raises what that save raised."""
        try:
            self.wait()
        finally:
            self._close()

    def save(self, step: int, state: Any, info: dict, metric: float | None) -> None:
        """Saves asynchronously: returns once the arrays are copied, so that their buffers may be donated.

        A step that is already there is left as it is if it is intact; else it is renamed to STEP.set-aside-N and saved
        anew. A metric that is None or not finite ranks below every other. state holds arrays, none of them of size 0,
        and no random keys; info is what JSON can hold.

        Raises TrainingError if the disk is full; the exception of an earlier save that failed in the background, or
        this one's own.
        """
        import orbax.checkpoint as ocp

        if self._read_only:
            raise ValueError(f"{self._directory} was opened read-only")
        self.wait()
        if os.path.lexists(self._path(step)):
            if step in self._ranks() and isinstance(self._attempt(step, None), Restored):
                return
            self._set_aside(step)
        self._num_bytes = round(ROOM * sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
        with self._full_disk_told():
            disk.assert_room(self._path(step), self._num_bytes)
        manager = self._open()
        self._verified.add(step)
        self._pending = step, metric if metric is not None and math.isfinite(metric) else None
        try:
            args = ocp.args.Composite(state=ocp.args.StandardSave(state), info=ocp.args.JsonSave(info))
            with self._full_disk_told(), disk.writing(self._path(step), self._num_bytes):
                manager.save(step, args=args, force=True)
        except BaseException:
            self._pending = None
            raise

    def wait(self) -> None:
        """Returns when every save is on disk with its manifest. Raises what a save raised in the background."""
        if self._pending is None:
            return
        step, metric = self._pending
        with self._full_disk_told(), disk.writing(self._path(step), self._num_bytes):
            try:
                self._manager.wait_until_finished()
            finally:
                self._pending = None
            if jax.process_index() == 0:
                manifest.seal(self._path(step), metric, committed=True)

    def latest_step(self) -> int | None:
        """The highest step, the save in flight included; None without a checkpoint. Files are not verified."""
        return max(self._sound(), default=None)

    def best_step(self) -> int | None:
        """The step with the highest finite metric, or else the latest; None without a checkpoint."""
        ranks = self._sound()
        return max(ranks, key=ranks.__getitem__, default=None)

    def strays(self) -> list[str]:
        """Names in the directory that are no checkpoints."""
        ours = set(map(str, self._ranks()))
        return sorted(path.name for path in self._directory.iterdir() if path.name not in ours)

    def kept(self) -> str:
        """What is left of a run that fails, in words."""
        last = self.latest_step()
        return f"the checkpoint of step {last} is intact" if last is not None else "there is no checkpoint yet"

    def restore(
        self, template: Any, which: Literal["latest", "best"] = "latest", step: int | None = None
    ) -> Restored | None:
        """Restores the latest or best intact checkpoint, or exactly `step`; None when there is none at all.

        template is a pytree of arrays or jax.ShapeDtypeStruct; the result has its structure, shapes, dtypes and
        shardings (without a sharding, or uncommitted: default device), whatever devices the state was saved from. None:
        host arrays. A damaged checkpoint is skipped with one line on stderr.

        Raises InputError when no intact checkpoint is left, when `step` is not there or is damaged, and when names,
        shapes or dtypes differ from the template's.
        """
        self.wait()
        ranks = self._ranks()
        if not ranks:
            return None
        if step is not None and step not in ranks:
            raise InputError(f"{self._directory}: there is no step {step}, only {', '.join(map(str, sorted(ranks)))}")
        order = sorted(ranks, key=ranks.__getitem__ if which == "best" else None, reverse=True)
        skipped: dict[int, str] = {}
        for candidate in order if step is None else [step]:
            result = self._attempt(candidate, template)
            if isinstance(result, Restored):
                if skipped:
                    print(f"{self._listed(skipped)}; using {self._path(candidate)}", file=sys.stderr)
                return result
            skipped[candidate] = result
        raise InputError(f"{self._directory}: no intact checkpoint is left: {self._listed(skipped)}")

    @contextmanager
    def _full_disk_told(self) -> Iterator[None]:
        try:
            yield
        except TrainingError as error:
            raise TrainingError(f"{error}\n{self.kept()}; with more room the same command goes on") from error

    def _path(self, step: int) -> Path:
        return self._directory / str(step)

    def _listed(self, skipped: dict[int, str]) -> str:
        return ", ".join(f"{self._path(step)} is damaged ({reason})" for step, reason in skipped.items())

    def _ranks(self) -> dict[int, tuple[float, int]]:
        """(metric, step) of each checkpoint on disk and of the one in flight: the higher the better."""
        found = {} if self._pending is None else {self._pending[0]: self._pending[1]}
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            ours = (path / MANIFEST).is_file() or (path / "_CHECKPOINT_METADATA").is_file()
            if ours and path.name.isdecimal() and path.name == str(int(path.name)):
                found.setdefault(int(path.name), manifest.metric_of(path))
        return {step: (-math.inf if metric is None else metric, step) for step, metric in found.items()}

    def _sound(self) -> dict[int, tuple[float, int]]:
        return {step: rank for step, rank in self._ranks().items() if step not in self._damaged}

    def _attempt(self, step: int, template: Any) -> Restored | str:
        """The checkpoint, or what is damaged about it."""
        path = self._path(step)
        reason = manifest.damage(path)
        if reason is None:
            try:
                return read(self._open(), step, template)
            except InputError as error:
                raise InputError(f"{path} does not fit:\n{error}") from None
        self._damaged.add(step)
        return reason

    def _set_aside(self, step: int) -> None:
        free = (self._directory / f"{step}.set-aside-{n}" for n in itertools.count())
        self._close()  # orbax would go on believing that the step exists
        if jax.process_index() == 0:
            os.rename(self._path(step), next(path for path in free if not os.path.lexists(path)))
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(f"step {step} set aside")
        self._damaged.discard(step)

    def _preserve(self, steps: Sequence[int]) -> list[bool]:
        """Which steps stay: the latest two intact ones and what is newer, the best, what is not ours."""
        ours = self._ranks()
        self._damaged |= {
            step for step in ours.keys() - self._verified if manifest.damage(self._path(step)) is not None
        }
        self._verified |= ours.keys()
        sound = self._sound()
        saving = None if self._pending is None else self._pending[0]
        oldest = min(sorted(sound)[-2:], default=0)
        return [step >= oldest or step in (saving, self.best_step()) or step not in ours for step in steps]

    def _open(self) -> Any:
        """Orbax's manager, opened when it is first needed: importing orbax takes 0.2-0.4 s."""
        if self._manager is None:
            import orbax.checkpoint as ocp

            options = ocp.CheckpointManagerOptions(
                preservation_policy=_Preservation(self._preserve),
                async_options=ocp.AsyncOptions(post_finalization_callback=self._seal_before_commit),
                create=False,
                read_only=self._read_only,
                lightweight_initialize=True,
            )
            handlers = {"state": ocp.StandardCheckpointHandler(), "info": ocp.JsonCheckpointHandler()}
            self._manager = ocp.CheckpointManager(self._directory, options=options, item_handlers=handlers)
        return self._manager

    def _close(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.close()

    def _seal_before_commit(self) -> None:
        """Orbax calls this in its own thread when all items are written, before it renames the directory."""
        if self._pending is not None and jax.process_index() == 0:
            step, metric = self._pending
            for path in self._directory.glob(f"{step}.orbax-checkpoint-tmp*"):
                manifest.seal(path, metric, committed=False)
